//! What STS takes as parameters. The patterns and lengths are those of its API reference.

use crate::call::ServiceError;
use crate::credentials::{SessionPolicies, Tag};
use crate::iam::grammar::{self, Kind};
use crate::wire::form::Form;

/// Shortest session in seconds.
const SHORTEST: u32 = 900;
/// Longest session in seconds that any role can allow.
const LONGEST: u32 = 43_200;
/// Length of a session that isn't said.
const DEFAULT: u32 = 3_600;
/// Longest session in seconds of a role that is assumed by another role's session.
const LONGEST_CHAINED: u32 = 3_600;
/// Most characters of a session's inline policy.
const LONGEST_POLICY: usize = 2048;
/// Most managed policies of a session.
const MOST_POLICIES: usize = 10;
/// Most tags of a session.
const MOST_TAGS: usize = 50;

/// A role's ARN, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RoleArn<'a> {
    pub(super) arn: &'a str,
    pub(super) account: &'a str,
    pub(super) path: &'a str,
    pub(super) name: &'a str,
}

/// Reads `RoleArn`.
pub(super) fn role_arn(form: &Form) -> Result<RoleArn<'_>, ServiceError> {
    let arn = required(form, "RoleArn", "roleArn")?;
    if arn.len() < 20 {
        return Err(validation(
            arn,
            "roleArn",
            "Member must have length greater than or equal to 20",
        ));
    }
    parse_arn(arn)
        .ok_or_else(|| ServiceError::bad_request("ValidationError", format!("{arn} is invalid")))
}

fn parse_arn(arn: &str) -> Option<RoleArn<'_>> {
    let (account, rest) = arn.strip_prefix("arn:aws:iam::")?.split_once(':')?;
    let path_and_name = rest.strip_prefix("role")?;
    let slash = path_and_name.rfind('/')?;
    let (path, name) = path_and_name.split_at(slash + 1);
    let twelve_digits = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
    (twelve_digits && path.starts_with('/') && !name.is_empty()).then_some(RoleArn {
        arn,
        account,
        path,
        name,
    })
}

/// Reads `RoleSessionName`.
pub(super) fn session_name(form: &Form) -> Result<&str, ServiceError> {
    let name = required(form, "RoleSessionName", "roleSessionName")?;
    let constraint = if name.len() < 2 {
        "Member must have length greater than or equal to 2"
    } else if name.len() > 64 {
        "Member must have length less than or equal to 64"
    } else if !name.chars().all(is_name_character) {
        r"Member must satisfy regular expression pattern: [\w+=,.@-]*"
    } else {
        return Ok(name);
    };
    Err(validation(name, "roleSessionName", constraint))
}

fn is_name_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)
}

/// Reads `DurationSeconds`. `longest` is the role's limit; `chained` tells whether the caller is
/// itself a role's session.
pub(super) fn duration(form: &Form, longest: u32, chained: bool) -> Result<u32, ServiceError> {
    let Some(text) = form.get("DurationSeconds") else {
        return Ok(DEFAULT.min(longest));
    };
    let seconds: i64 = text.parse().map_err(|_| {
        ServiceError::bad_request(
            "MalformedInput",
            format!("DurationSeconds is no number: {text}"),
        )
    })?;
    let seconds = match u32::try_from(seconds) {
        Ok(seconds @ SHORTEST..=LONGEST) => seconds,
        Ok(seconds) if seconds > LONGEST => {
            let limit = format!("Member must have value less than or equal to {LONGEST}");
            return Err(validation(text, "durationSeconds", &limit));
        }
        _ => {
            let limit = format!("Member must have value greater than or equal to {SHORTEST}");
            return Err(validation(text, "durationSeconds", &limit));
        }
    };
    if chained && seconds > LONGEST_CHAINED {
        return Err(ServiceError::bad_request(
            "ValidationError",
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by \
             role chaining",
        ));
    }
    if seconds > longest {
        return Err(ServiceError::bad_request(
            "ValidationError",
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        ));
    }
    Ok(seconds)
}

/// Reads `Policy` and `PolicyArns`.
pub(super) fn session_policies(form: &Form) -> Result<SessionPolicies, ServiceError> {
    let inline = form.get("Policy").map(|text| {
        if text.chars().count() > LONGEST_POLICY {
            let limit = format!("Member must have length less than or equal to {LONGEST_POLICY}");
            return Err(validation("the policy", "policy", &limit));
        }
        grammar::read(text, Kind::Identity)
            .map_err(|why| ServiceError::bad_request("MalformedPolicyDocument", why))
    });
    let managed: Vec<_> = form
        .structures("PolicyArns.member")
        .iter()
        .filter_map(|at| form.get(&format!("{at}.arn")))
        .map(str::to_owned)
        .collect();
    if managed.len() > MOST_POLICIES {
        let limit = format!("Member must have length less than or equal to {MOST_POLICIES}");
        return Err(validation("the ARNs", "policyArns", &limit));
    }
    Ok(SessionPolicies {
        inline: inline.transpose()?,
        managed,
    })
}

/// Reads `Tags` and `TransitiveTagKeys`.
pub(super) fn tags(form: &Form) -> Result<Vec<Tag>, ServiceError> {
    let transitive = form.list("TransitiveTagKeys.member");
    let mut tags: Vec<Tag> = Vec::new();
    for at in form.structures("Tags.member") {
        let key = form.raw(&format!("{at}.Key")).unwrap_or_default();
        let value = form.raw(&format!("{at}.Value")).unwrap_or_default();
        check_tag(key, value, &at)?;
        if tags.iter().any(|tag| same_key(&tag.key, key)) {
            return Err(ServiceError::bad_request(
                "InvalidParameterValue",
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            ));
        }
        let transitive = transitive.iter().any(|wanted| same_key(wanted, key));
        tags.push(Tag {
            key: key.to_owned(),
            value: value.to_owned(),
            transitive,
        });
    }
    if tags.len() > MOST_TAGS {
        let limit = format!("Member must have length less than or equal to {MOST_TAGS}");
        return Err(validation(&format!("{} tags", tags.len()), "tags", &limit));
    }
    if let Some(unknown) = transitive
        .iter()
        .find(|wanted| !tags.iter().any(|tag| same_key(&tag.key, wanted)))
    {
        return Err(ServiceError::bad_request(
            "InvalidParameterValue",
            format!(
                "The specified transitive tag key {unknown} must be included in the requested tags."
            ),
        ));
    }
    Ok(tags)
}

/// Keys of session tags are case-insensitive.
pub(super) fn same_key(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

fn check_tag(key: &str, value: &str, at: &str) -> Result<(), ServiceError> {
    let pattern = r"Member must satisfy regular expression pattern: [\p{L}\p{Z}\p{N}_.:/=+\-@]+";
    let member = |name: &str| format!("{}.{name}", at.replacen("Tags", "tags", 1));
    if key.is_empty() || !key.chars().all(is_tag_character) {
        return Err(validation(key, &member("key"), pattern));
    }
    if key.chars().count() > 128 {
        let limit = "Member must have length less than or equal to 128";
        return Err(validation(key, &member("key"), limit));
    }
    if !value.chars().all(is_tag_character) {
        return Err(validation(
            value,
            &member("value"),
            &pattern.replace("]+", "]*"),
        ));
    }
    if value.chars().count() > 256 {
        let limit = "Member must have length less than or equal to 256";
        return Err(validation(value, &member("value"), limit));
    }
    if key.to_lowercase().starts_with("aws:") {
        return Err(ServiceError::bad_request(
            "InvalidParameterValue",
            format!("Tag keys may not begin with aws:, as {key} does."),
        ));
    }
    Ok(())
}

/// `[\p{L}\p{Z}\p{N}_.:/=+\-@]`.
fn is_tag_character(c: char) -> bool {
    c.is_alphanumeric() || (c.is_whitespace() && !c.is_control()) || "_.:/=+-@".contains(c)
}

/// A parameter that has to be there.
pub(super) fn required<'a>(
    form: &'a Form,
    name: &str,
    member: &str,
) -> Result<&'a str, ServiceError> {
    form.get(name).ok_or_else(|| {
        ServiceError::bad_request(
            "ValidationError",
            format!(
                "1 validation error detected: Value null at '{member}' failed to satisfy \
                 constraint: Member must not be null"
            ),
        )
    })
}

fn validation(value: &str, member: &str, constraint: &str) -> ServiceError {
    ServiceError::bad_request(
        "ValidationError",
        format!(
            "1 validation error detected: Value '{value}' at '{member}' failed to satisfy \
             constraint: {constraint}"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(pairs: &[(&str, &str)]) -> Form {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(pairs)
            .finish();
        Form::parse(body.as_bytes())
    }

    fn seconds(text: &str, longest: u32, chained: bool) -> Result<u32, String> {
        duration(&form(&[("DurationSeconds", text)]), longest, chained).map_err(|e| e.message)
    }

    #[test]
    fn a_roles_arn_has_a_path_and_a_name() {
        let arn = "arn:aws:iam::111122223333:role/PSKRoles/deep/x";
        assert_eq!(
            parse_arn(arn),
            Some(RoleArn {
                arn,
                account: "111122223333",
                path: "/PSKRoles/deep/",
                name: "x"
            })
        );
        assert_eq!(
            parse_arn("arn:aws:iam::111122223333:role/x").map(|r| r.path),
            Some("/")
        );
        for wrong in [
            "arn:aws:iam::1:role/x",
            "arn:aws:iam::111122223333:user/x",
            "x",
        ] {
            assert_eq!(parse_arn(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn durations_keep_the_documented_limits() {
        assert_eq!(duration(&form(&[]), 43_200, false), Ok(3600));
        assert_eq!(seconds("43200", 43_200, false), Ok(43_200));
        assert!(
            seconds("899", 43_200, false)
                .unwrap_err()
                .ends_with("equal to 900")
        );
        assert!(
            seconds("-1", 43_200, false)
                .unwrap_err()
                .ends_with("equal to 900")
        );
        assert!(
            seconds("43201", 43_200, false)
                .unwrap_err()
                .ends_with("equal to 43200")
        );
        assert!(
            seconds("7200", 3600, false)
                .unwrap_err()
                .contains("MaxSessionDuration")
        );
        assert!(
            seconds("3601", 43_200, true)
                .unwrap_err()
                .contains("role chaining")
        );
        assert_eq!(seconds("3600", 43_200, true), Ok(3600));
    }

    #[test]
    fn session_names_keep_to_their_characters() {
        let check = |name: &str| session_name(&form(&[("RoleSessionName", name)])).is_ok();
        assert!(check("psk-nonprod@1.2,+=_"));
        assert!(!check("a"));
        assert!(!check(&"a".repeat(65)));
        assert!(!check("with space"));
        assert!(!check("naïve"));
    }

    #[test]
    fn tags_keep_the_documented_limits() {
        let check = |pairs: &[(&str, &str)]| tags(&form(pairs)).map_err(|e| e.code);
        let found = check(&[
            ("Tags.member.1.Key", "Commit"),
            ("Tags.member.1.Value", "0a1b"),
            ("Tags.member.2.Key", "role"),
            ("Tags.member.2.Value", ""),
            ("TransitiveTagKeys.member.1", "commit"),
        ])
        .unwrap();
        assert_eq!(
            found.iter().map(|t| t.transitive).collect::<Vec<_>>(),
            [true, false]
        );
        let rejected = |code: &str| Err(code.to_owned());
        assert_eq!(
            check(&[("Tags.member.1.Key", "a"), ("Tags.member.2.Key", "A")]),
            rejected("InvalidParameterValue")
        );
        assert_eq!(
            check(&[("Tags.member.1.Key", "aws:x")]),
            rejected("InvalidParameterValue")
        );
        assert_eq!(
            check(&[("Tags.member.1.Key", "a#b")]),
            rejected("ValidationError")
        );
        assert_eq!(
            check(&[("TransitiveTagKeys.member.1", "x")]),
            rejected("InvalidParameterValue")
        );
        let long = "v".repeat(257);
        assert_eq!(
            check(&[("Tags.member.1.Key", "a"), ("Tags.member.1.Value", &long)]),
            rejected("ValidationError")
        );
        let many: Vec<String> = (1..=51).map(|n| format!("Tags.member.{n}.Key")).collect();
        let pairs: Vec<(&str, &str)> = many
            .iter()
            .map(|name| (name.as_str(), &name[12..]))
            .collect();
        assert_eq!(check(&pairs), rejected("ValidationError"));
    }
}
