//! What errors, refusals and opaque types would otherwise repeat.

/// A refusal: a struct with private fields, `new`, one accessor for each field, a `Display` for
/// operators and a [`Problem`](hardpoint_core::Problem) for the client.
macro_rules! rejection {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $field:ident: $type:ty),* }
     $text:literal $([source: $source:ident])?, $problem:expr) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $name {
            $($field: $type,)*
        }

        impl $name {
            /// The refusal.
            #[must_use]
            pub fn new($($field: $type),*) -> Self {
                Self { $($field),* }
            }

            $($(#[$doc])*
            #[must_use]
            pub fn $field(&self) -> &$type {
                &self.$field
            })*
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str($text)
            }
        }

        impl std::error::Error for $name {
            $(fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                Some(&self.$source)
            })?
        }

        impl hardpoint_core::Rejection for $name {
            fn problem(&self) -> hardpoint_core::Problem {
                let problem: fn(&Self) -> hardpoint_core::Problem = $problem;
                problem(self)
            }
        }
    };
}

/// An enum whose variants each have one text: a name, or the message of an error.
macro_rules! texts {
    ($(#[$meta:meta])* $visibility:vis enum $name:ident {
        $($(#[$doc:meta])* $variant:ident = $text:expr,)*
    }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        $visibility enum $name {
            $($(#[$doc])* $variant,)*
        }

        impl $name {
            /// The text of this variant.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

/// A `Debug` that shows only these fields.
macro_rules! debug_only {
    ($name:ident $(<$lifetime:lifetime>)? { $($field:ident),* }) => {
        impl std::fmt::Debug for $name $(<$lifetime>)? {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name))
                    $(.field(stringify!($field), &self.$field))*
                    .finish_non_exhaustive()
            }
        }
    };
}
