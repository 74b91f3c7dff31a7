//! What an address is, and what may be put in.

mod countries;

use serde::{Deserialize, Serialize};
use service_kit::body::Body;
use service_kit::validation::FieldErrors;
use time::OffsetDateTime;
use utoipa::ToSchema;
use utoipa::openapi::schema::{Array, ArrayBuilder, ObjectBuilder, SchemaType, Type};
use uuid::Uuid;

/// Most addresses of one person.
pub const MOST_ADDRESSES: i64 = 50;

/// Most lines between name and city.
const MOST_LINES: usize = 4;

// Together with the line ends between them they fit into the address of an order, which has 500 characters.
const LONGEST_NAME: usize = 70;
const LONGEST_LINE: usize = 70;
const LONGEST_CITY: usize = 60;
const LONGEST_REGION: usize = 60;
const LONGEST_POSTCODE: usize = 16;

const LONGEST_LABEL: usize = 50;

/// An address of the caller.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Address {
    /// Its id.
    pub id: Uuid,
    /// What its owner calls it.
    #[schema(example = "Home")]
    pub label: Option<String>,
    /// Who lives there.
    #[schema(example = "Ada Lovelace")]
    pub name: String,
    /// Street and number, company, floor.
    #[schema(example = json!(["12 St James's Square"]))]
    pub lines: Vec<String>,
    /// City.
    #[schema(example = "London")]
    pub city: String,
    /// State, province or county, where the country has them.
    pub region: Option<String>,
    /// Postcode.
    #[schema(example = "SW1Y 4JH")]
    pub postcode: String,
    /// Country, by its code of two letters (ISO 3166-1 alpha-2).
    #[schema(example = "GB")]
    pub country: String,
    /// Whether things are sent here unless their owner says otherwise.
    pub default_shipping: bool,
    /// Whether bills go here unless their owner says otherwise.
    pub default_billing: bool,
    /// When it was created.
    #[serde(with = "shared_types::times")]
    pub created_at: OffsetDateTime,
    /// When it last changed.
    #[serde(with = "shared_types::times")]
    pub updated_at: OffsetDateTime,
    /// Counts its changes; the ETag.
    #[serde(skip)]
    pub version: i64,
}

impl Address {
    /// What was put in.
    pub fn input(&self) -> AddressInput {
        AddressInput {
            label: self.label.clone(),
            name: self.name.clone(),
            lines: self.lines.clone(),
            city: self.city.clone(),
            region: self.region.clone(),
            postcode: self.postcode.clone(),
            country: self.country.clone(),
        }
    }
}

/// The body that creates or replaces an address.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "label": "Home", "name": "Ada Lovelace", "lines": ["12 St James's Square"], "city": "London",
    "postcode": "SW1Y 4JH", "country": "GB"
}))]
pub struct AddressBody {
    /// What its owner calls it.
    #[schema(max_length = 50)]
    pub label: Option<String>,
    /// Who lives there.
    #[schema(required, nullable = false, max_length = 70)]
    pub name: Option<String>,
    /// Street and number, company, floor: 1 to 4 lines.
    #[schema(required, nullable = false, schema_with = lines_schema)]
    pub lines: Option<Vec<String>>,
    /// City.
    #[schema(required, nullable = false, max_length = 60)]
    pub city: Option<String>,
    /// State, province or county, where the country has them.
    #[schema(max_length = 60)]
    pub region: Option<String>,
    /// Postcode.
    #[schema(required, nullable = false, max_length = 16)]
    pub postcode: Option<String>,
    /// Country.
    #[schema(required, nullable = false, schema_with = countries::schema)]
    pub country: Option<String>,
}

/// An address that may be written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AddressInput {
    pub label: Option<String>,
    pub name: String,
    /// 1 to 4.
    pub lines: Vec<String>,
    pub city: String,
    pub region: Option<String>,
    pub postcode: String,
    /// An assigned code.
    pub country: String,
}

impl AddressBody {
    /// The address, or every field at fault.
    pub fn parse(self) -> Result<AddressInput, FieldErrors> {
        let mut errors = FieldErrors::default();
        let input = AddressInput {
            label: errors.optional_text("label", self.label, LONGEST_LABEL),
            name: errors.required_text("name", self.name, LONGEST_NAME),
            lines: parse_lines(&mut errors, self.lines),
            city: errors.required_text("city", self.city, LONGEST_CITY),
            region: errors.optional_text("region", self.region, LONGEST_REGION),
            postcode: errors.required_text("postcode", self.postcode, LONGEST_POSTCODE),
            country: parse_country(&mut errors, self.country),
        };
        errors.into_result(input)
    }
}

impl Body for AddressBody {
    fn faults(&self) -> FieldErrors {
        self.clone().parse().err().unwrap_or_default()
    }
}

fn parse_lines(errors: &mut FieldErrors, lines: Option<Vec<String>>) -> Vec<String> {
    let Some(lines) = lines else {
        errors.add("lines", "is required");
        return Vec::new();
    };
    if lines.is_empty() || lines.len() > MOST_LINES {
        errors.add("lines", format!("must have 1 to {MOST_LINES} lines"));
        return Vec::new();
    }
    let numbered = lines.into_iter().enumerate();
    numbered.map(|(index, line)| errors.required_text(&format!("lines[{index}]"), Some(line), LONGEST_LINE)).collect()
}

fn lines_schema() -> Array {
    let line = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String)).max_length(Some(LONGEST_LINE)).build();
    let lines = ArrayBuilder::new().items(line).min_items(Some(1)).max_items(Some(MOST_LINES));
    lines.description(Some("Street and number, company, floor")).build()
}

fn parse_country(errors: &mut FieldErrors, country: Option<String>) -> String {
    match country {
        None => errors.add("country", "is required"),
        Some(code) if countries::is_assigned(&code) => return code,
        Some(_) => {
            errors.add("country", "must be the code of a country in two capital letters, such as GB (ISO 3166-1)")
        }
    }
    String::new()
}

/// Which defaults an address is to become.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"shipping": true, "billing": true}))]
pub struct DefaultBody {
    /// Things are sent here from now on. Where it is false or left out, the default for this stays where it is.
    #[serde(default)]
    pub shipping: Option<bool>,
    /// Bills go here from now on, likewise.
    #[serde(default)]
    pub billing: Option<bool>,
}

/// The defaults that an address becomes: one of them at least.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Defaults {
    pub shipping: bool,
    pub billing: bool,
}

impl DefaultBody {
    /// The defaults, or what is at fault.
    pub fn parse(self) -> Result<Defaults, FieldErrors> {
        let defaults =
            Defaults { shipping: self.shipping.unwrap_or_default(), billing: self.billing.unwrap_or_default() };
        if defaults.shipping || defaults.billing {
            return Ok(defaults);
        }
        Err(FieldErrors::one(
            "shipping",
            "or billing must be true: to move a default, make another address the default",
        ))
    }
}

impl Body for DefaultBody {}

#[cfg(test)]
mod tests {
    use super::{AddressBody, DefaultBody, Defaults};

    fn body() -> AddressBody {
        let text = |text: &str| Some(text.to_owned());
        AddressBody {
            label: text("Home"),
            name: text("Ada Lovelace"),
            lines: Some(vec![" 12 St James's Square ".to_owned()]),
            city: text("London"),
            region: None,
            postcode: text("SW1Y 4JH"),
            country: text("GB"),
        }
    }

    #[test]
    fn an_address_is_trimmed_and_blank_texts_that_may_be_left_out_are() {
        let input = AddressBody { label: Some(" ".to_owned()), ..body() }.parse().unwrap();
        assert_eq!((input.label, input.lines), (None, vec!["12 St James's Square".to_owned()]));
    }

    #[test]
    fn every_field_at_fault_is_named() {
        let faults = AddressBody::default().parse().unwrap_err().0;
        assert_eq!(faults.keys().collect::<Vec<_>>(), ["city", "country", "lines", "name", "postcode"]);
        let lines = |lines: &[&str]| Some(lines.iter().map(|line| (*line).to_owned()).collect());
        for (wrong, field) in [
            (AddressBody { lines: lines(&[]), ..body() }, "lines"),
            (AddressBody { lines: lines(&["x"; 5]), ..body() }, "lines"),
            (AddressBody { lines: lines(&["x", " "]), ..body() }, "lines[1]"),
            (AddressBody { lines: lines(&["a\nb"]), ..body() }, "lines[0]"),
            (AddressBody { lines: lines(&[&"x".repeat(71)]), ..body() }, "lines[0]"),
            (AddressBody { country: Some("UK".to_owned()), ..body() }, "country"),
            (AddressBody { country: Some("gb".to_owned()), ..body() }, "country"),
            (AddressBody { region: Some("x".repeat(61)), ..body() }, "region"),
            (AddressBody { name: Some("Ada\u{202e}".to_owned()), ..body() }, "name"),
        ] {
            let faults = wrong.parse().unwrap_err().0;
            assert_eq!(faults.keys().collect::<Vec<_>>(), [field]);
        }
    }

    /// An order keeps its address as a text of at most 500 characters.
    #[test]
    fn the_longest_address_fits_into_an_order() {
        use super::{LONGEST_CITY, LONGEST_LINE, LONGEST_NAME, LONGEST_POSTCODE, LONGEST_REGION, MOST_LINES};
        let parts = [LONGEST_NAME, MOST_LINES * LONGEST_LINE, LONGEST_CITY, LONGEST_REGION, LONGEST_POSTCODE, 2];
        let line_ends = MOST_LINES + 4;
        assert!(parts.iter().sum::<usize>() + line_ends <= 500);
    }

    #[test]
    fn a_default_is_chosen_and_never_given_up() {
        let parse = |shipping, billing| DefaultBody { shipping, billing }.parse().ok();
        assert_eq!(parse(Some(true), Some(false)), Some(Defaults { shipping: true, billing: false }));
        assert_eq!(parse(None, Some(true)), Some(Defaults { shipping: false, billing: true }));
        assert_eq!(parse(Some(true), Some(true)), Some(Defaults { shipping: true, billing: true }));
        for nothing in [(None, None), (Some(false), None), (Some(false), Some(false))] {
            assert_eq!(parse(nothing.0, nothing.1), None, "{nothing:?}");
        }
    }
}
