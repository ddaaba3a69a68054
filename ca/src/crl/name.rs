//! Which list: of one issuing authority, and which part of it.

use crate::keys::IssuerName;
use crate::store::{Authority, Serial};

/// The most parts that a list can have: each is signed and logged every hour.
pub(super) const MAX_SHARDS: u16 = 1024;

/// A revocation list. Its path is baked into the certificates it speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ListName {
    pub(crate) issuer: IssuerName,
    pub(crate) part: Part,
}

/// Of which certificates of its issuer a list is, where there are several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Part {
    /// Those that name no other.
    Whole,
    /// Those whose serial number led here.
    Shard(u16),
    /// Those for mail, which other people's programs fetch by plain HTTP: a list names one address.
    Mail,
}

/// What the part for mail is called, in addresses and files.
const MAIL: &str = "mail";

impl Part {
    fn parse(text: &str) -> Option<Self> {
        if text == MAIL { Some(Self::Mail) } else { text.parse().ok().map(Self::Shard) }
    }

    fn name(self) -> Option<String> {
        match self {
            Self::Whole => None,
            Self::Shard(shard) => Some(shard.to_string()),
            Self::Mail => Some(MAIL.to_owned()),
        }
    }
}

impl ListName {
    pub(crate) fn whole(issuer: IssuerName) -> Self {
        Self { issuer, part: Part::Whole }
    }

    /// The list that a new certificate for mail names.
    pub(crate) fn of_mail(issuer: IssuerName) -> Self {
        Self { issuer, part: Part::Mail }
    }

    /// The list that any other new certificate names. Serial numbers are random, so parts are of one size. Services are few:
    /// their list has no parts.
    pub(crate) fn of_new(issuer: IssuerName, serial: Serial, shards: u16) -> Self {
        let [.., a, b, c, d] = serial.0;
        let draw = u32::from_be_bytes([a, b, c, d]) % u32::from(shards.clamp(1, MAX_SHARDS));
        let shard = u16::try_from(draw).ok().filter(|_| shards > 1 && issuer.authority == Authority::People);
        Self { issuer, part: shard.map_or(Part::Whole, Part::Shard) }
    }

    /// The number of the part, if it is one of those.
    pub(super) fn shard(self) -> Option<u16> {
        if let Part::Shard(shard) = self.part { Some(shard) } else { None }
    }

    /// Below the authority's base URL.
    pub(crate) fn path(self) -> String {
        match self.part.name() {
            None => format!("/crl/{}.crl", self.issuer),
            Some(part) => format!("/crl/{}/{part}.crl", self.issuer),
        }
    }

    /// What is asked for at such a path: the issuer, and a file in its folder.
    pub(crate) fn of_path(issuer: &str, file: Option<&str>) -> Option<Self> {
        let Some(file) = file else { return Some(Self::whole(IssuerName::parse(issuer.strip_suffix(".crl")?)?)) };
        Some(Self { issuer: IssuerName::parse(issuer)?, part: Part::parse(file.strip_suffix(".crl")?)? })
    }

    /// In the folder of lists.
    pub(super) fn file(self) -> String {
        match self.part.name() {
            None => format!("{}.crl", self.issuer),
            Some(part) => format!("{}.{part}.crl", self.issuer),
        }
    }

    /// The part of the first people's list whose file was called so in earlier versions, if it was one.
    pub(super) fn part_of_old_file(file: &str) -> Option<Self> {
        let shard: u16 = file.strip_prefix("people-")?.strip_suffix(".crl")?.parse().ok()?;
        let of_first = Self { issuer: IssuerName::first(Authority::People), part: Part::Shard(shard) };
        (shard < MAX_SHARDS && file == format!("people-{shard}.crl")).then_some(of_first)
    }

    /// The part whose file in the folder of lists is called so.
    pub(super) fn part_of_file(file: &str) -> Option<Self> {
        let (issuer, part) = file.strip_suffix(".crl")?.split_once('.')?;
        let name = Self { issuer: IssuerName::parse(issuer)?, part: Part::parse(part)? };
        let is_one = match name.part {
            Part::Shard(shard) => shard < MAX_SHARDS,
            Part::Mail | Part::Whole => true,
        };
        (is_one && name.file() == file).then_some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_gets_its_share_and_files_lead_back() {
        let people = IssuerName { authority: Authority::People, generation: 2 };
        let services = IssuerName::first(Authority::Services);
        let mut counts = [0u32; 16];
        for n in 0..1600u32 {
            let serial =
                Serial([&[0x40; 12][..], &n.wrapping_mul(2_654_435_761).to_be_bytes()].concat().try_into().unwrap());
            let name = ListName::of_new(people, serial, 16);
            let Part::Shard(shard) = name.part else { panic!("{name:?}") };
            counts[usize::from(shard)] += 1;
            assert_eq!(ListName::part_of_file(&name.file()), Some(name));
            assert_eq!(ListName::of_new(people, serial, 1), ListName::whole(people));
            assert_eq!(ListName::of_new(services, serial, 16).part, Part::Whole);
        }
        assert!(counts.iter().all(|count| (70..130).contains(count)), "{counts:?}");
        for other in ["people.crl", "people.07.crl", "people.1024.crl", "people.7.crl.new", "people-1.7.crl", "x.7.crl"]
        {
            assert_eq!(ListName::part_of_file(other), None, "{other}");
        }
        assert_eq!(ListName::of_path("people-2.crl", None), Some(ListName::whole(people)));
        assert_eq!(
            ListName::of_path("people-2", Some("7.crl")),
            Some(ListName { issuer: people, part: Part::Shard(7) })
        );
        assert_eq!(ListName::of_path("people-1.crl", None), None);
        let mail = ListName::of_mail(people);
        assert_eq!((mail.path().as_str(), mail.file().as_str()), ("/crl/people-2/mail.crl", "people-2.mail.crl"));
        assert_eq!(ListName::of_path("people-2", Some("mail.crl")), Some(mail));
        assert_eq!(ListName::part_of_file(&mail.file()), Some(mail));
    }
}
