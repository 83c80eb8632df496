//! Bootstrap servers as programs have them: one text, or several.

/// One or several bootstrap servers, as
/// [`bootstrap_servers`](super::ProducerConfigBuilder::bootstrap_servers) takes them.
pub trait ServerList: private::Sealed {
    /// All of them, separated by commas.
    #[doc(hidden)]
    fn joined(&self) -> String;
}

mod private {
    #[expect(unnameable_types, reason = "nobody else has to say what a list is")]
    pub trait Sealed {}
}

macro_rules! server_lists {
    ($(impl[$($generics:tt)*] $list:ty { |$self:ident| $joined:expr })*) => {$(
        impl<$($generics)*> private::Sealed for $list {}

        impl<$($generics)*> ServerList for $list {
            fn joined(&self) -> String {
                let $self = self;
                $joined
            }
        }
    )*};
}

server_lists! {
    impl[] &str { |text| (*text).to_owned() }
    impl[] String { |text| text.clone() }
    impl[] &String { |text| (*text).clone() }
    impl[S: AsRef<str>] Vec<S> { |list| join(list) }
    impl[S: AsRef<str>] &Vec<S> { |list| join(list) }
    impl[S: AsRef<str>] &[S] { |list| join(list) }
    impl[S: AsRef<str>, const N: usize] [S; N] { |list| join(list) }
    impl[S: AsRef<str>, const N: usize] &[S; N] { |list| join(*list) }
}

fn join<S: AsRef<str>>(servers: &[S]) -> String {
    let servers: Vec<&str> = servers.iter().map(AsRef::as_ref).collect();
    servers.join(",")
}
