//! `DescribeClusterVersions`: the Kubernetes versions that EKS offers.

use jiff::civil::{Date, date};
use serde_json::{Value, json};

use super::catalog::{VersionInfo, default_version, versions};
use super::error::invalid_parameter;
use super::request::{Request, Served};
use super::state::Region;

/// `DescribeClusterVersions`: the newest first. Versions that are no longer supported are told
/// only if asked for.
pub(super) fn describe(_region: &mut Region, request: &Request<'_>) -> Served {
    let default_only = request.flag("defaultOnly")?;
    let include_all = request.flag("includeAll")?;
    let wanted = request.queries("clusterVersions");
    let status = request.query("versionStatus");
    let legacy_status = request.query("status");
    check_word(
        status,
        &["STANDARD_SUPPORT", "EXTENDED_SUPPORT", "UNSUPPORTED"],
    )?;
    check_word(
        legacy_status,
        &["standard-support", "extended-support", "unsupported"],
    )?;
    check_word(request.query("clusterType"), &["eks"])?;
    let by_name = !wanted.is_empty() || status.is_some() || legacy_status.is_some();
    let items = versions()
        .iter()
        .rev()
        .filter(|info| info.is_offered() || include_all || by_name)
        .filter(|info| !default_only || info.version == default_version())
        .filter(|info| wanted.is_empty() || wanted.contains(&info.version.to_string().as_str()))
        .filter(|info| status.is_none_or(|s| s == info.support.as_str()))
        .filter(|info| legacy_status.is_none_or(|s| s == info.support.as_legacy_str()))
        .enumerate()
        .map(|(i, info)| (format!("{i:04}"), view(info)))
        .collect();
    Ok(request.page::<Value>(items)?.answer("clusterVersions"))
}

fn check_word(given: Option<&str>, words: &[&str]) -> Result<(), crate::call::ServiceError> {
    match given {
        Some(word) if !words.contains(&word) => Err(invalid_parameter(format!(
            "'{word}' is not one of {}",
            words.join(", ")
        ))),
        _ => Ok(()),
    }
}

fn view(info: &VersionInfo) -> Value {
    json!({
        "clusterVersion": info.version,
        "clusterType": "eks",
        "defaultPlatformVersion": info.platform_version(),
        "defaultVersion": info.version == default_version(),
        "releaseDate": midnight(info.released),
        "endOfStandardSupportDate": midnight(info.standard_until),
        "endOfExtendedSupportDate": midnight(info.extended_until),
        "status": info.support.as_legacy_str(),
        "versionStatus": info.support.as_str(),
        "kubernetesPatchVersion": format!("{}.{}", info.version, info.patch),
    })
}

/// The day's beginning in UTC, in seconds since the epoch.
fn midnight(day: Date) -> i64 {
    day.duration_since(date(1970, 1, 1)).as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_begin_at_midnight_utc() {
        assert_eq!(midnight(date(2024, 9, 26)), 1_727_308_800);
    }
}
