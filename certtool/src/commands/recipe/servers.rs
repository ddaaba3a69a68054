//! The settings themselves, for each server. nginx, Caddy, PostgreSQL and sshd are tried with them: `certtool/tests/elsewhere`.

/// nginx, module `ngx_http_ssl_module`: the subject as RFC 2253 writes it.
pub(super) fn nginx(name: &str, anchors: &str) -> String {
    // A plus sign would join two names (RFC 2253 section 2.4); nginx takes one of two backslashes for itself.
    let name = name.replace('+', "\\\\+");
    format!(
        "# Into the server {{ … }} of a site with TLS. First: certtool gen anchors > {anchors}\n\
         ssl_client_certificate {anchors};\n\
         ssl_verify_client on;\n\
         ssl_verify_depth 2;\n\
         # Whoever else the authority has certified is not let in.\n\
         if ($ssl_client_s_dn != \"CN={name}\") {{\n    \
             return 403;\n\
         }}\n\
         # What lies behind is told who it is by: proxy_set_header X-Person $ssl_client_s_dn;\n"
    )
}

/// Caddy 2, a Caddyfile. The subject is written by Go, which quotes a plus sign as well.
pub(super) fn caddy(name: &str, anchors: &str) -> String {
    let name = name.replace('+', "\\+");
    format!(
        "# Into the block of a site. First: certtool gen anchors > {anchors}\n\
         tls {{\n    \
             client_auth {{\n        \
                 mode require_and_verify\n        \
                 trusted_ca_cert_file {anchors}\n    \
             }}\n\
         }}\n\
         # Whoever else the authority has certified is not let in.\n\
         @others not vars {{http.request.tls.client.subject}} `CN={name}`\n\
         respond @others 403\n"
    )
}

/// PostgreSQL 12 and later: it compares the common name, as it stands, with the second column of `pg_ident.conf`.
///
/// The role stands in quotes: `all` and a plus sign in front have a meaning of their own without.
pub(super) fn postgres(name: &str, role: &str, anchors: &str) -> String {
    format!(
        "# Into postgresql.conf, where the server has a certificate of its own (ssl_cert_file, ssl_key_file).
# First: certtool gen anchors > {anchors}
ssl = on
ssl_ca_file = '{anchors}'

# Into pg_hba.conf, above every other line: the first one that fits counts. The second keeps her role from everybody
# without a certificate.
hostssl all \"{role}\" all cert map=inperson
host all \"{role}\" all reject

# Into pg_ident.conf: whose certificate may log in as whom.
inperson {name} \"{role}\"

# Once, in psql: CREATE ROLE \"{role}\" LOGIN;
# Then she comes with what certtool export --for openssl wrote:
# psql 'host=SERVER dbname=postgres user={role} sslmode=verify-full sslrootcert=SERVER-CA.pem sslcert={name}.pem sslkey={name}.pem'
"
    )
}

/// OpenSSH takes no X.509, so sshd asks for the key each time, and the certificate is verified then.
pub(super) const SSH: &str = "\
# Into sshd_config. Certificates lie in /etc/ssh/people, named by account; the home /var/lib/inperson belongs to the user
# inperson, and the policy is pinned there. A certificate that has ended or was revoked lets nobody in.
AuthorizedKeysCommand /usr/local/bin/certtool --home /var/lib/inperson export --for ssh /etc/ssh/people/%u.pem --out -
AuthorizedKeysCommandUser inperson
";
