//! Paths of the REST protocols, where segments in braces are parameters
//! (`/clusters/{name}/updates`).

/// The parameters in a path, percent-decoded, if it has the pattern's form.
///
/// ```
/// use psk_lab::wire::path::labels;
/// let found = labels("/clusters/{name}/updates", "/clusters/a%20b/updates");
/// assert_eq!(found, Some(vec![("name", "a b".to_owned())]));
/// assert_eq!(labels("/clusters/{name}", "/clusters/a/updates"), None);
/// ```
pub fn labels(pattern: &'static str, path: &str) -> Option<Vec<(&'static str, String)>> {
    let mut labels = Vec::new();
    let mut segments = path.trim_matches('/').split('/');
    for expected in pattern.trim_matches('/').split('/') {
        let segment = segments.next()?;
        match expected
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'))
        {
            Some(label) if !segment.is_empty() => {
                let value = percent_encoding::percent_decode_str(segment)
                    .decode_utf8()
                    .ok()?;
                labels.push((label, value.into_owned()));
            }
            None if segment == expected => {}
            _ => return None,
        }
    }
    segments.next().is_none().then_some(labels)
}
