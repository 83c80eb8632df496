//! The properties of encryption and login. All but `security.protocol` have a meaning only with a
//! protocol that is not supported yet, as Kafka, too, ignores them with `PLAINTEXT`: a file that
//! several programs share is not refused for them.

use super::{Class, Definition, Kind, Preset, inert, later};

pub(super) const ROWS: &[Definition] = &[
    later(
        "security.protocol",
        Kind::Choice {
            values: &["PLAINTEXT"],
            later: &["SSL", "SASL_PLAINTEXT", "SASL_SSL"],
            ignores_case: true,
        },
        Preset::Text("PLAINTEXT"),
        "How to speak to brokers. In upper or lower case.",
    ),
    inert(
        "security.providers",
        Kind::Text,
        Preset::Null,
        "Java classes that bring security algorithms.",
    ),
    // TLS.
    tls(
        "ssl.protocol",
        Kind::Text,
        Preset::Text("TLSv1.3"),
        "The newest version of TLS to use.",
    ),
    tls(
        "ssl.enabled.protocols",
        Kind::List,
        Preset::Text("TLSv1.2,TLSv1.3"),
        "The versions of TLS that may be used.",
    ),
    tls(
        "ssl.cipher.suites",
        Kind::List,
        Preset::Text(""),
        "The cipher suites that may be used; when empty, all of the library's.",
    ),
    tls(
        "ssl.endpoint.identification.algorithm",
        Kind::Text,
        Preset::Text("https"),
        "Whether the broker's certificate must name its host; when empty, it need not.",
    ),
    tls(
        "ssl.engine.factory.class",
        Kind::Class,
        Preset::Null,
        "What makes TLS connections in place of the built-in way.",
    ),
    tls(
        "ssl.keystore.type",
        Kind::Text,
        Preset::Text("JKS"),
        "The format of the key store: JKS, PKCS12 or PEM.",
    ),
    tls(
        "ssl.keystore.location",
        Kind::Text,
        Preset::Null,
        "The file with this producer's own certificate and key.",
    ),
    tls(
        "ssl.keystore.password",
        Kind::Secret,
        Preset::Null,
        "The password of the key store.",
    ),
    tls(
        "ssl.keystore.key",
        Kind::Secret,
        Preset::Null,
        "This producer's own key, in PEM, in place of a file.",
    ),
    tls(
        "ssl.keystore.certificate.chain",
        Kind::Secret,
        Preset::Null,
        "This producer's own certificates, in PEM, in place of a file.",
    ),
    tls(
        "ssl.key.password",
        Kind::Secret,
        Preset::Null,
        "The password of the key in the key store.",
    ),
    tls(
        "ssl.truststore.type",
        Kind::Text,
        Preset::Text("JKS"),
        "The format of the trust store: JKS, PKCS12 or PEM.",
    ),
    tls(
        "ssl.truststore.location",
        Kind::Text,
        Preset::Null,
        "The file with the certificates that are trusted; without any, the system's.",
    ),
    tls(
        "ssl.truststore.password",
        Kind::Secret,
        Preset::Null,
        "The password of the trust store.",
    ),
    tls(
        "ssl.truststore.certificates",
        Kind::Secret,
        Preset::Null,
        "The certificates that are trusted, in PEM, in place of a file.",
    ),
    inert(
        "ssl.provider",
        Kind::Text,
        Preset::Null,
        "The Java security provider that TLS comes from.",
    ),
    inert(
        "ssl.secure.random.implementation",
        Kind::Text,
        Preset::Null,
        "The Java random generator that TLS uses.",
    ),
    inert(
        "ssl.keymanager.algorithm",
        Kind::Text,
        Preset::Text("SunX509"),
        "The Java algorithm that chooses among keys.",
    ),
    inert(
        "ssl.trustmanager.algorithm",
        Kind::Text,
        Preset::Text("PKIX"),
        "The Java algorithm that checks certificates.",
    ),
    // SASL.
    sasl(
        "sasl.mechanism",
        Kind::Text,
        Preset::Text("GSSAPI"),
        "The way to log in.",
    ),
    sasl(
        "sasl.jaas.config",
        Kind::Secret,
        Preset::Null,
        "The login's name, password and options, in Java's JAAS syntax.",
    ),
    sasl(
        "sasl.client.callback.handler.class",
        Kind::Class,
        Preset::Null,
        "What answers the questions of a mechanism.",
    ),
    sasl(
        "sasl.login.class",
        Kind::Class,
        Preset::Null,
        "What logs in.",
    ),
    sasl(
        "sasl.login.callback.handler.class",
        Kind::Class,
        Preset::Null,
        "What answers the questions of a login.",
    ),
    sasl(
        "sasl.kerberos.service.name",
        Kind::Text,
        Preset::Null,
        "The name of the brokers' Kerberos principal.",
    ),
    sasl(
        "sasl.kerberos.kinit.cmd",
        Kind::Text,
        Preset::Text("/usr/bin/kinit"),
        "The command that gets a Kerberos ticket.",
    ),
    sasl(
        "sasl.kerberos.min.time.before.relogin",
        Kind::ANY_LONG,
        Preset::Text("60000"),
        "The least time between two Kerberos logins, in milliseconds.",
    ),
    sasl(
        "sasl.kerberos.ticket.renew.jitter",
        Kind::ANY_DECIMAL,
        Preset::Text("0.05"),
        "How much chance there is in the time of a ticket's renewal.",
    ),
    sasl(
        "sasl.kerberos.ticket.renew.window.factor",
        Kind::ANY_DECIMAL,
        Preset::Text("0.8"),
        "After which part of its life a ticket is renewed.",
    ),
    sasl(
        "sasl.login.connect.timeout.ms",
        Kind::ANY_INT,
        Preset::Null,
        "How long connecting to the login's server may take.",
    ),
    sasl(
        "sasl.login.read.timeout.ms",
        Kind::ANY_INT,
        Preset::Null,
        "How long an answer of the login's server may take.",
    ),
    sasl(
        "sasl.login.refresh.buffer.seconds",
        Kind::Integer { min: 0, max: 3600 },
        Preset::Text("300"),
        "How long before its end a login is renewed at the latest.",
    ),
    sasl(
        "sasl.login.refresh.min.period.seconds",
        Kind::Integer { min: 0, max: 900 },
        Preset::Text("60"),
        "The least time between two renewals of a login.",
    ),
    sasl(
        "sasl.login.refresh.window.factor",
        Kind::Decimal { min: 0.5, max: 1.0 },
        Preset::Text("0.8"),
        "After which part of its life a login is renewed.",
    ),
    sasl(
        "sasl.login.refresh.window.jitter",
        Kind::Decimal {
            min: 0.0,
            max: 0.25,
        },
        Preset::Text("0.05"),
        "How much chance there is in the time of a login's renewal.",
    ),
    sasl(
        "sasl.login.retry.backoff.ms",
        Kind::ANY_LONG,
        Preset::Text("100"),
        "The wait before the first retry of a login.",
    ),
    sasl(
        "sasl.login.retry.backoff.max.ms",
        Kind::ANY_LONG,
        Preset::Text("10000"),
        "The longest wait between retries of a login.",
    ),
    // OAuth: the token.
    sasl(
        "sasl.oauthbearer.token.endpoint.url",
        Kind::Text,
        Preset::Null,
        "Where to get a token: a server, or a file.",
    ),
    sasl(
        "sasl.oauthbearer.client.credentials.client.id",
        Kind::Text,
        Preset::Null,
        "The client's name at the token's server.",
    ),
    sasl(
        "sasl.oauthbearer.client.credentials.client.secret",
        Kind::Secret,
        Preset::Null,
        "The client's password at the token's server.",
    ),
    sasl(
        "sasl.oauthbearer.scope",
        Kind::Text,
        Preset::Null,
        "What the token is to allow.",
    ),
    sasl(
        "sasl.oauthbearer.header.urlencode",
        Kind::Boolean,
        Preset::Text("false"),
        "Whether name and password are URL-encoded before they are sent.",
    ),
    sasl(
        "sasl.oauthbearer.jwt.retriever.class",
        Kind::Class,
        Preset::Text("org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever"),
        "What gets the token.",
    ),
    sasl(
        "sasl.oauthbearer.jwt.validator.class",
        Kind::Class,
        Preset::Text("org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator"),
        "What checks the token.",
    ),
    sasl(
        "sasl.oauthbearer.scope.claim.name",
        Kind::Text,
        Preset::Text("scope"),
        "The claim of the token that has the scope.",
    ),
    sasl(
        "sasl.oauthbearer.sub.claim.name",
        Kind::Text,
        Preset::Text("sub"),
        "The claim of the token that has the subject.",
    ),
    // OAuth: the assertion that a token is asked for with.
    sasl(
        "sasl.oauthbearer.assertion.algorithm",
        Kind::Choice {
            values: &["RS256", "ES256"],
            later: &[],
            ignores_case: true,
        },
        Preset::Text("RS256"),
        "How the assertion is signed. In upper or lower case.",
    ),
    sasl(
        "sasl.oauthbearer.assertion.claim.aud",
        Kind::Text,
        Preset::Null,
        "The assertion's audience.",
    ),
    sasl(
        "sasl.oauthbearer.assertion.claim.exp.seconds",
        Kind::Integer {
            min: 0,
            max: 86_400,
        },
        Preset::Text("300"),
        "How long the assertion is good.",
    ),
    sasl(
        "sasl.oauthbearer.assertion.claim.iss",
        Kind::Text,
        Preset::Null,
        "The assertion's issuer.",
    ),
    sasl(
        "sasl.oauthbearer.assertion.claim.jti.include",
        Kind::Boolean,
        Preset::Text("false"),
        "Whether the assertion has an id of its own.",
    ),
    sasl(
        "sasl.oauthbearer.assertion.claim.nbf.seconds",
        Kind::Integer { min: 0, max: 3600 },
        Preset::Text("60"),
        "How far back the assertion's first second lies.",
    ),
    sasl(
        "sasl.oauthbearer.assertion.claim.sub",
        Kind::Text,
        Preset::Null,
        "The assertion's subject.",
    ),
    sasl(
        "sasl.oauthbearer.assertion.file",
        Kind::Text,
        Preset::Null,
        "A file with a complete assertion.",
    ),
    sasl(
        "sasl.oauthbearer.assertion.private.key.file",
        Kind::Text,
        Preset::Null,
        "The file with the key that signs the assertion.",
    ),
    sasl(
        "sasl.oauthbearer.assertion.private.key.passphrase",
        Kind::Secret,
        Preset::Null,
        "The password of the key that signs the assertion.",
    ),
    sasl(
        "sasl.oauthbearer.assertion.template.file",
        Kind::Text,
        Preset::Null,
        "A file with claims and headers for the assertion.",
    ),
    // OAuth: checking a token, which brokers do; the names are shared.
    sasl(
        "sasl.oauthbearer.clock.skew.seconds",
        Kind::ANY_INT,
        Preset::Text("30"),
        "How far clocks may differ.",
    ),
    sasl(
        "sasl.oauthbearer.expected.audience",
        Kind::List,
        Preset::Text(""),
        "The audiences of which a token must name one.",
    ),
    sasl(
        "sasl.oauthbearer.expected.issuer",
        Kind::Text,
        Preset::Null,
        "The issuer that a token must have.",
    ),
    sasl(
        "sasl.oauthbearer.allow.unverified.audience",
        Kind::Boolean,
        Preset::Text("false"),
        "Whether a token is taken whatever audience it names, if none is expected.",
    ),
    sasl(
        "sasl.oauthbearer.allow.unverified.issuer",
        Kind::Boolean,
        Preset::Text("false"),
        "Whether a token is taken whoever issued it, if no issuer is expected.",
    ),
    sasl(
        "sasl.oauthbearer.jwks.endpoint.url",
        Kind::Text,
        Preset::Null,
        "Where the keys are that tokens are signed with.",
    ),
    sasl(
        "sasl.oauthbearer.jwks.endpoint.refresh.ms",
        Kind::ANY_LONG,
        Preset::Text("3600000"),
        "After how long these keys are fetched again.",
    ),
    sasl(
        "sasl.oauthbearer.jwks.endpoint.retry.backoff.ms",
        Kind::ANY_LONG,
        Preset::Text("100"),
        "The wait before these keys are first asked for again.",
    ),
    sasl(
        "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms",
        Kind::ANY_LONG,
        Preset::Text("10000"),
        "The longest wait before these keys are asked for again.",
    ),
];

const fn tls(name: &'static str, kind: Kind, default: Preset, meaning: &'static str) -> Definition {
    later(name, kind, default, meaning).of_class(Class::LaterWith("security.protocol"))
}

const fn sasl(
    name: &'static str,
    kind: Kind,
    default: Preset,
    meaning: &'static str,
) -> Definition {
    tls(name, kind, default, meaning)
}
