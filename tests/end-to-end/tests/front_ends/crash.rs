//! Two front ends on one database, of which now one fails and now the other, at random moments, while people enrol through
//! both.

use story::crash;
use story::random::{self, Random};

use super::*;

/// The longest pause between two failures.
const PAUSE: Duration = Duration::from_secs(3);

#[test]
fn two_front_ends_fail_in_turn_while_people_enrol() {
    enrol_through_failures(4, 3);
}

#[test]
#[ignore = "takes minutes; run by ./test --all"]
fn two_front_ends_fail_again_and_again_while_people_enrol() {
    enrol_through_failures(60, 40);
}

/// So many failures, among which all enrol, or after them: more of them would keep whoever is slow from ever coming to an end.
fn enrol_through_failures(people: usize, failures: usize) {
    let Some(server) = Postgres::shared() else { return };
    let seed = random::seed();
    println!("seed {seed} (INPERSON_SEED={seed} repeats this choice of moments)");
    let mut random = Random::from_seed(seed);
    let place = tempfile::tempdir().unwrap();
    let Town { mut fronts, balancer, log, ready, outbox } = town(place.path(), &server.database(), 2);
    let people: Vec<_> = (0..people).map(|n| Person::new(place.path(), &format!("person{n:02}@example.org"))).collect();
    all_enrol(&people, &ready, &outbox, |done| {
        for killed in 0..failures {
            // A power failure waits for no good moment.
            std::thread::sleep(random.up_to(PAUSE));
            let front = fronts.remove(killed % 2);
            let folder = front.folder().to_path_buf();
            front.kill();
            fronts.insert(killed % 2, Homeserver::start(&folder, &[]).unwrap());
        }
        println!("{failures} failures, and {} had enrolled by then", done.load(Ordering::Relaxed));
    });
    assert!(balancer.used().iter().all(|connections| *connections > 0), "{:?}", balancer.used());
    crash::account_for(&people, fronts[0].folder()).unwrap();
    for front in fronts {
        front.stop().unwrap();
    }
    drop((log, balancer));
}
