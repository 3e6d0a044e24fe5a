//! Platforms and their classes (`docs/rules/openim.md#platforms`).

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// The kind of terminal that a token and its connections belong to, numbered as on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the names are the documents' own")]
#[repr(u8)]
pub enum Platform {
    Ios = 1,
    Android = 2,
    Windows = 3,
    Osx = 4,
    Web = 5,
    MiniWeb = 6,
    Linux = 7,
    APad = 8,
    IPad = 9,
    Admin = 10,
    HarmonyOs = 11,
}

/// Platforms of one class exclude each other under policies 4 and 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are the documents' own")]
pub enum PlatformClass {
    Mobile,
    Pc,
    Web,
    MiniWeb,
    Pad,
    Admin,
    HarmonyOs,
}

impl Platform {
    /// Every platform, in the order of its number.
    pub const ALL: [Self; 11] = [
        Self::Ios,
        Self::Android,
        Self::Windows,
        Self::Osx,
        Self::Web,
        Self::MiniWeb,
        Self::Linux,
        Self::APad,
        Self::IPad,
        Self::Admin,
        Self::HarmonyOs,
    ];

    /// The platform with this wire number, if there is one.
    pub fn from_number(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|platform| i64::from(platform.number()) == number)
    }

    /// The platform with this [`Platform::name`], in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|platform| platform.name().eq_ignore_ascii_case(name))
    }

    /// The number on the wire.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The class under which login policies 4 and 5 group it.
    pub const fn class(self) -> PlatformClass {
        match self {
            Self::Ios | Self::Android => PlatformClass::Mobile,
            Self::Windows | Self::Osx | Self::Linux => PlatformClass::Pc,
            Self::Web => PlatformClass::Web,
            Self::MiniWeb => PlatformClass::MiniWeb,
            Self::APad | Self::IPad => PlatformClass::Pad,
            Self::Admin => PlatformClass::Admin,
            Self::HarmonyOs => PlatformClass::HarmonyOs,
        }
    }

    /// The documents' name, as used in labels and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ios => "IOS",
            Self::Android => "Android",
            Self::Windows => "Windows",
            Self::Osx => "OSX",
            Self::Web => "Web",
            Self::MiniWeb => "MiniWeb",
            Self::Linux => "Linux",
            Self::APad => "APad",
            Self::IPad => "IPad",
            Self::Admin => "Admin",
            Self::HarmonyOs => "HarmonyOS",
        }
    }
}

/// Platforms, each once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PlatformSet(u16);

impl PlatformSet {
    /// Its members, in the order of their numbers.
    pub fn iter(self) -> impl Iterator<Item = Platform> {
        Platform::ALL.into_iter().filter(move |platform| self.0 & bit(*platform) != 0)
    }

    /// The set as a number, for a store: one bit a platform.
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// The set with this number, see [`PlatformSet::bits`].
    pub fn from_bits(bits: i64) -> Option<Self> {
        let all: Self = Platform::ALL.into_iter().collect();
        u16::try_from(bits).ok().filter(|bits| bits & !all.0 == 0).map(Self)
    }
}

impl FromIterator<Platform> for PlatformSet {
    fn from_iter<I: IntoIterator<Item = Platform>>(platforms: I) -> Self {
        Self(platforms.into_iter().fold(0, |bits, platform| bits | bit(platform)))
    }
}

const fn bit(platform: Platform) -> u16 {
    1 << platform.number()
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.number())
    }
}

impl Serialize for Platform {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.number())
    }
}

impl<'de> Deserialize<'de> for Platform {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = i64::deserialize(deserializer)?;
        Self::from_number(number)
            .ok_or_else(|| D::Error::custom(format_args!("no platform has the number {number}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_documents_and_nothing_else_is_a_platform() {
        for (index, platform) in Platform::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(platform.number()), index + 1);
            assert_eq!(Platform::from_number(i64::from(platform.number())), Some(platform));
        }
        for number in [i64::MIN, -1, 0, 12, 256 + 5, i64::MAX] {
            assert_eq!(Platform::from_number(number), None);
        }
    }

    #[test]
    fn names_are_the_documents_in_any_case() {
        for platform in Platform::ALL {
            assert_eq!(Platform::from_name(platform.name()), Some(platform));
            assert_eq!(Platform::from_name(&platform.name().to_ascii_lowercase()), Some(platform));
        }
        assert_eq!(["", "5", "We", " Web"].map(Platform::from_name), [None; 4]);
    }

    #[test]
    fn a_set_has_each_platform_once_in_the_order_of_their_numbers() {
        let set: PlatformSet =
            [Platform::Web, Platform::HarmonyOs, Platform::Ios, Platform::Web].into_iter().collect();
        assert_eq!(set.iter().map(Platform::number).collect::<Vec<_>>(), [1, 5, 11]);
        assert_eq!(PlatformSet::from_bits(set.bits().into()), Some(set));
        assert_eq!(PlatformSet::default().iter().next(), None);
        for bits in [-1, 1, 1 << 12, i64::MAX] {
            assert_eq!(PlatformSet::from_bits(bits), None, "{bits}");
        }
    }

    #[test]
    fn harmony_is_a_class_of_its_own_and_not_mobile() {
        assert_ne!(Platform::HarmonyOs.class(), PlatformClass::Mobile);
        assert_eq!(Platform::Linux.class(), PlatformClass::Pc);
    }
}
