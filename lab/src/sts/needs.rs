//! What a caller of STS must be allowed: GetCallerIdentity takes no permission, and a role of the
//! caller's own account is its trust policy's to give (STS API reference, "Cross-account policy
//! evaluation logic" in the IAM User Guide).

use super::account_of_role;
use crate::authorization::Need;
use crate::call::Call;
use crate::wire::form::Form;

/// What a call needs.
pub(crate) fn needs(call: &Call) -> Vec<Need> {
    let form = Form::of(call);
    let role = form.get("RoleArn").unwrap_or("*");
    if call.operation != "AssumeRole" || account_of_role(&form).as_ref() == Some(&call.account) {
        return Vec::new();
    }
    let mut needs = vec![Need::on("sts:AssumeRole", role)];
    if !form.structures("Tags.member").is_empty() {
        needs.push(Need::on("sts:TagSession", role));
    }
    needs
}
