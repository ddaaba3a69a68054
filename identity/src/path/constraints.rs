//! Name constraints (RFC 5280 section 4.2.1.10; for SmtpUTF8Mailbox RFC 9598 section 6).
//!
//! Every issuing certificate's constraints are kept as they stand, and each name below is held against each of them: what
//! section 6.1.4 (g) calls the intersection of the permitted and the union of the excluded subtrees comes out by itself.
//! A constraint that cannot be understood makes everything below it fail.

mod form;
mod host;
mod mail;

use x509_cert::ext::pkix::{NameConstraints, constraints::name::GeneralSubtree};

use self::form::{Form, Named};
use super::PathCertificate;
use crate::{rules::Rule, verify::VerifyError};

/// Names held against constraints on one path: a path of several large certificates could ask for hundreds of millions.
const MAX_COMPARISONS: usize = 250_000;

/// The constraints of one certificate.
#[derive(Clone, Debug)]
pub(super) struct Constraints {
    permitted: Vec<Form>,
    excluded: Vec<Form>,
    /// What is wrong with them, if anything is.
    fault: Option<String>,
}

impl Constraints {
    pub(super) fn read(constraints: NameConstraints) -> Self {
        let NameConstraints { permitted_subtrees, excluded_subtrees } = constraints;
        let mut fault = match (&permitted_subtrees, &excluded_subtrees) {
            // MUST NOT be an empty sequence; a list of subtrees has at least one.
            (None, None) => Some("none".to_owned()),
            (Some(list), _) | (_, Some(list)) if list.is_empty() => Some("an empty list".to_owned()),
            _ => None,
        };
        let mut forms = |subtrees: Option<Vec<GeneralSubtree>>| -> Vec<Form> {
            let read = subtrees
                .unwrap_or_default()
                .into_iter()
                .filter_map(|subtree| form::read(&subtree).map_err(|found| fault.get_or_insert(found).clone()).ok());
            read.collect()
        };
        let (permitted, excluded) = (forms(permitted_subtrees), forms(excluded_subtrees));
        Self { permitted, excluded, fault }
    }
}

/// The constraints of every issuer so far.
#[derive(Default)]
pub(super) struct Imposed<'a> {
    by: Vec<(&'a PathCertificate, &'a Constraints)>,
    compared: usize,
}

impl<'a> Imposed<'a> {
    /// Adds those of an issuer (6.1.4 (g)).
    pub(super) fn by(&mut self, issuer: &'a PathCertificate) -> Result<(), VerifyError> {
        let Some(constraints) = &issuer.extensions.constraints else { return Ok(()) };
        if let Some(fault) = &constraints.fault {
            let expected = "name constraints that can be understood";
            return Err(VerifyError::new(Rule::ChainConstraints, expected, format_args!("{fault}, {}", of(issuer))));
        }
        self.by.push((issuer, constraints));
        Ok(())
    }

    /// Holds the names of a certificate against all of them (6.1.3 (b) and (c)).
    pub(super) fn check(&mut self, certificate: &PathCertificate) -> Result<(), VerifyError> {
        if self.by.is_empty() {
            return Ok(());
        }
        if certificate.extensions.is_malformed(crate::oid::extension::SUBJECT_ALT_NAME) {
            return Err(VerifyError::new(
                Rule::ChainConstraints,
                "a subjectAltName that decodes under name constraints",
                "another",
            ));
        }
        let names = form::names(certificate);
        for (issuer, constraints) in &self.by {
            self.compared += names.len() * (constraints.permitted.len() + constraints.excluded.len());
            if self.compared > MAX_COMPARISONS {
                let expected = format_args!("at most {MAX_COMPARISONS} names times name constraints");
                return Err(VerifyError::new(Rule::ChainConstraints, expected, self.compared));
            }
            for name in &names {
                constraints.check(name, issuer)?;
            }
        }
        Ok(())
    }
}

impl Constraints {
    fn check(&self, name: &Named, issuer: &PathCertificate) -> Result<(), VerifyError> {
        let refused = |expected: String| {
            let expected = format!("{expected}, {}", of(issuer));
            Err(VerifyError::new(Rule::ChainConstraints, expected, name))
        };
        let mut permitted = self.permitted.iter().filter(|form| form.constrains(name)).peekable();
        let mut excluded = self.excluded.iter().filter(|form| form.constrains(name)).peekable();
        if permitted.peek().is_none() && excluded.peek().is_none() {
            return Ok(());
        }
        if !name.is_comparable() {
            return refused(format!("a {} that can be held against name constraints", name.kind()));
        }
        if let Some(form) = excluded.find(|form| form.excludes(name)) {
            return refused(format!("no {} within the excluded \"{form}\"", name.kind()));
        }
        if permitted.peek().is_some() && !permitted.clone().any(|form| form.permits(name)) {
            let all: Vec<_> = permitted.take(8).map(|form| format!("\"{form}\"")).collect();
            return refused(format!("a {} within the permitted {}", name.kind(), all.join(" or ")));
        }
        Ok(())
    }
}

fn of(issuer: &PathCertificate) -> String {
    format!("as {} has it", issuer.certificate().tbs().subject())
}
