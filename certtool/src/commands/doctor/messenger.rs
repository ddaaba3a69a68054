//! `messenger doctor`, which looks at the network.

use std::process::Command;

use identity::Identifier;
use serde_json::{Map, Value};

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::messenger;

/// Lets it show what it finds.
pub(super) fn shown(context: &Context, identifier: Option<&Identifier>) -> Result<Exit, Failure> {
    messenger::shown(command(context, identifier))
}

/// What it finds, or its error, as an object.
pub(super) fn found(context: &Context, identifier: Option<&Identifier>) -> Result<(Map<String, Value>, Exit), Failure> {
    let mut doctor = command(context, identifier);
    doctor.arg("--json");
    messenger::said(doctor)
}

fn command(context: &Context, identifier: Option<&Identifier>) -> Command {
    let mut doctor = messenger::command(context, "doctor");
    if let Some(identifier) = identifier {
        doctor.arg("--identity").arg(identifier.as_str());
    }
    doctor
}
