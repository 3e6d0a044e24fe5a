//! Where objects live: `edge.jurisdiction` and `edge.location_hint`.
#![cfg_attr(
    not(target_arch = "wasm32"),
    allow(dead_code, reason = "used on the Workers runtime, tested on any")
)]

use rollcall_core::config::Edge;

/// The objects of a class.
pub(crate) trait Namespace: Sized {
    /// A way to one of them.
    type Stub;
    /// The runtime's refusal.
    type Error;

    /// Those in a jurisdiction. An object of the same name in another one is another object.
    fn within(&self, jurisdiction: &str) -> Result<Self, Self::Error>;

    /// The object of that name.
    fn object(&self, name: &str) -> Result<Self::Stub, Self::Error>;

    /// The same; it is made near there if it is new.
    fn object_near(&self, name: &str, hint: &str) -> Result<Self::Stub, Self::Error>;
}

/// The object of that name where the configuration has it. A jurisdiction that the runtime refuses is an error: elsewhere there
/// would be another object.
pub(crate) fn object<N: Namespace>(namespace: N, name: &str, edge: &Edge) -> Result<N::Stub, N::Error> {
    let namespace = match edge.jurisdiction.name() {
        Some(jurisdiction) => namespace.within(jurisdiction)?,
        None => namespace,
    };
    match edge.location_hint.name() {
        Some(hint) => namespace.object_near(name, hint),
        None => namespace.object(name),
    }
}

#[cfg(target_arch = "wasm32")]
impl Namespace for worker::ObjectNamespace {
    type Stub = worker::Stub;
    type Error = worker::Error;

    fn within(&self, jurisdiction: &str) -> worker::Result<Self> {
        use wasm_bindgen::{JsCast as _, JsValue};

        let all: &JsValue = self.as_ref();
        Ok(all.unchecked_ref::<crate::raw::RawNamespace>().jurisdiction(jurisdiction)?.unchecked_into())
    }

    fn object(&self, name: &str) -> worker::Result<worker::Stub> {
        self.get_by_name(name)
    }

    fn object_near(&self, name: &str, hint: &str) -> worker::Result<worker::Stub> {
        self.get_by_name_with_location_hint(name, hint)
    }
}

#[cfg(test)]
mod tests {
    use rollcall_core::config::{Jurisdiction, LocationHint};

    use super::*;

    /// Says what it was asked for. It has one jurisdiction.
    #[derive(Default)]
    struct Fake(String);

    impl Namespace for Fake {
        type Stub = String;
        type Error = &'static str;

        fn within(&self, jurisdiction: &str) -> Result<Self, &'static str> {
            if jurisdiction == "eu" { Ok(Self(format!("{}eu/", self.0))) } else { Err("not implemented") }
        }

        fn object(&self, name: &str) -> Result<String, &'static str> {
            Ok(format!("{}{name}", self.0))
        }

        fn object_near(&self, name: &str, hint: &str) -> Result<String, &'static str> {
            Ok(format!("{}{name} near {hint}", self.0))
        }
    }

    #[test]
    fn an_object_is_looked_for_where_the_configuration_has_it() {
        let at = |jurisdiction, location_hint| {
            object(Fake::default(), "7", &Edge { jurisdiction, location_hint }).unwrap()
        };
        assert_eq!(at(Jurisdiction::None, LocationHint::None), "7");
        assert_eq!(at(Jurisdiction::Eu, LocationHint::None), "eu/7");
        assert_eq!(at(Jurisdiction::None, LocationHint::ApacNe), "7 near apac-ne");
        assert_eq!(at(Jurisdiction::Eu, LocationHint::Weur), "eu/7 near weur");
    }

    #[test]
    fn a_jurisdiction_that_the_runtime_lacks_is_an_error_and_no_object_elsewhere() {
        let edge = Edge { jurisdiction: Jurisdiction::Us, location_hint: LocationHint::Wnam };
        assert_eq!(object(Fake::default(), "7", &edge), Err("not implemented"));
    }
}
