//! The texts that a pattern may begin with. Pure.

/// What the beginning of a pattern announces.
#[derive(Clone, Copy)]
pub(super) enum Begin {
    Assignment,
    Basic,
    Bearer,
    HeaderLine,
    Jwt,
    Key { least: usize },
    Mail,
    Member,
    Pem,
    Url,
}

/// The beginnings, and how many characters follow that of a key at least.
pub(super) const BEGINS: [(&str, Begin); 37] = [
    ("=", Begin::Assignment),
    ("Basic ", Begin::Basic),
    ("basic ", Begin::Basic),
    ("Bearer ", Begin::Bearer),
    ("bearer ", Begin::Bearer),
    ("BEARER ", Begin::Bearer),
    (": ", Begin::HeaderLine),
    ("eyJ", Begin::Jwt),
    ("@", Begin::Mail),
    ("\":", Begin::Member),
    ("-----BEGIN ", Begin::Pem),
    ("://", Begin::Url),
    // Amazon Web Services.
    key("AKIA", 16),
    key("ASIA", 16),
    // GitHub, GitLab.
    key("ghp_", 30),
    key("gho_", 30),
    key("ghu_", 30),
    key("ghs_", 30),
    key("ghr_", 30),
    key("github_pat_", 40),
    key("glpat-", 20),
    // Google.
    key("AIza", 35),
    key("ya29.", 20),
    // Slack.
    key("xoxb-", 20),
    key("xoxp-", 20),
    key("xoxa-", 20),
    key("xoxs-", 20),
    // Stripe.
    key("sk_live_", 20),
    key("sk_test_", 20),
    key("rk_live_", 20),
    // npm, PyPI, DigitalOcean.
    key("npm_", 30),
    key("pypi-", 50),
    key("dop_v1_", 40),
    // OpenAI, Anthropic.
    key("sk-proj-", 20),
    key("sk-ant-", 20),
    // SendGrid.
    key("SG.", 40),
    // Refresh tokens of hardpoint.
    key("hrt_", 40),
];

/// The texts of the beginnings.
pub(super) const TEXTS: [&str; BEGINS.len()] = {
    let mut texts = [""; BEGINS.len()];
    let mut place = 0;
    while place < texts.len() {
        texts[place] = BEGINS[place].0;
        place += 1;
    }
    texts
};

const fn key(prefix: &'static str, least: usize) -> (&'static str, Begin) {
    (prefix, Begin::Key { least })
}
