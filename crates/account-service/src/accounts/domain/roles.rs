//! The roles that an administrator gives somebody.

use crate::users::role_of;
use serde::{Deserialize, Serialize};
use service_kit::access::Role;
use service_kit::body::Body;
use service_kit::validation::FieldErrors;
use std::collections::BTreeSet;
use utoipa::ToSchema;

/// All roles that somebody is to have.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct RolesBody {
    /// The roles; the others are taken.
    #[schema(value_type = Vec<Role>, required, nullable = false, min_items = 1, max_items = 3, example = json!(["CUSTOMER", "ADMIN"]))]
    pub roles: Option<Vec<String>>,
}

impl RolesBody {
    /// The roles, each once.
    pub fn parse(self) -> Result<BTreeSet<Role>, FieldErrors> {
        let mut errors = FieldErrors::default();
        let names = self.roles.unwrap_or_else(|| {
            errors.add("roles", "is required");
            Vec::new()
        });
        if names.is_empty() || names.len() > Role::ALL.len() {
            errors.add("roles", "must have 1 to 3 roles");
        }
        let mut roles = BTreeSet::new();
        for (index, name) in names.iter().take(Role::ALL.len()).enumerate() {
            match role_of(name) {
                Some(role) => _ = roles.insert(role),
                None => errors.add(format!("roles[{index}]"), "must be CUSTOMER, SELLER or ADMIN"),
            }
        }
        errors.into_result(roles)
    }
}

impl Body for RolesBody {
    fn faults(&self) -> FieldErrors {
        self.clone().parse().err().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::RolesBody;

    fn parsed(roles: &[&str]) -> Result<Vec<&'static str>, String> {
        let body = RolesBody { roles: Some(roles.iter().map(|&role| role.to_owned()).collect()) };
        let roles = body.parse().map_err(|errors| errors.to_string())?;
        Ok(roles.into_iter().map(service_kit::access::Role::name).collect())
    }

    #[test]
    fn roles_are_known_ones() {
        assert_eq!(parsed(&["ADMIN", "CUSTOMER", "ADMIN"]).unwrap(), ["CUSTOMER", "ADMIN"]);
        assert!(parsed(&[]).unwrap_err().contains("1 to 3"));
        assert!(parsed(&["admin"]).unwrap_err().contains("roles[0]"));
        assert!(parsed(&["CUSTOMER", "ROOT"]).unwrap_err().contains("roles[1]"));
    }
}
