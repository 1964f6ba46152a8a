//! Lists of `key=value` in OpenTelemetry's environment variables, with percent-encoded values.
//! Pure.

/// The remedy for a malformed list of resource attributes.
pub(crate) const REMEDY: &str = "write key=value pairs, separated by commas, with percent-encoded \
                                 values, such as deployment.environment.name=prod";

/// Reads `key=value,key=value`.
///
/// # Errors
/// The mistake and its place, without the value, which may be a secret.
pub(crate) fn parse(text: &str) -> Result<Vec<(&str, String)>, String> {
    let mut found = Vec::new();
    for (index, pair) in text.split(',').enumerate() {
        let number = index + 1;
        if pair.trim().is_empty() {
            continue;
        }
        let (key, value) = pair
            .split_once('=')
            .ok_or_else(|| format!("part {number} between commas has no `=`"))?;
        let key = key.trim();
        if key.is_empty() {
            return Err(format!("part {number} between commas has no name"));
        }
        let value = decoded(value.trim())
            .ok_or_else(|| format!("the value of `{key}` is not percent-encoded UTF-8"))?;
        found.push((key, value));
    }
    Ok(found)
}

/// Decodes a percent-encoded value. `None` if the encoding is malformed or the result is not UTF-8.
pub(crate) fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => digit(rest.next()?)? << 4 | digit(rest.next()?)?,
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

fn digit(byte: u8) -> Option<u8> {
    let digit = char::from(byte).to_digit(16)?;
    u8::try_from(digit).ok()
}
