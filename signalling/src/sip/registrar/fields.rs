//! Header values as a registrar reads them: addresses with parameters (Contact), and lists of parameters (Authorization).
//!
//! Flow: values of headers -> **here** -> `digest`, `registration`. Pure, and borrows from what it reads. Bounds: [`FIELDS_MAX`] of each
//! list; the whole header has `limits::SIP_HEADER_BYTES_MAX`. What is not of the form that RFC 3261 §25.1 gives is nothing at all: a
//! half-read address would be another one than its sender's.
//!
//! The library's own reader of Contact takes a bracket in quotes for the address's, and drops parameters; devices look for the
//! address that they wrote.

/// Addresses in one header, or parameters of one thing: those that devices send have under ten.
const FIELDS_MAX: usize = 24;

/// What a Contact header holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Contacts<'a> {
    /// `*`: every address that is registered.
    All,
    /// At least one.
    Some(Vec<Contact<'a>>),
}

/// One address (RFC 3261 §20.10); its display name is nobody's business here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Contact<'a> {
    /// As it was written, brackets taken off.
    pub(crate) uri: &'a str,
    /// Behind the address, values without their quotes.
    pub(crate) params: Vec<(&'a str, &'a str)>,
}

impl<'a> Contact<'a> {
    /// The value of a parameter, its name in either case.
    pub(crate) fn param(&self, name: &str) -> Option<&'a str> {
        value(&self.params, name)
    }
}

/// The value of a parameter, its name in either case.
pub(crate) fn value<'a>(params: &[(&'a str, &'a str)], name: &str) -> Option<&'a str> {
    params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
}

/// Reads a Contact header; `None` for what is none.
pub(crate) fn contacts(text: &str) -> Option<Contacts<'_>> {
    if text.trim() == "*" {
        return Some(Contacts::All);
    }
    let mut rest = Cursor(text);
    let mut found = Vec::new();
    loop {
        found.push(rest.contact()?);
        rest.skip_space();
        if rest.0.is_empty() {
            return Some(Contacts::Some(found));
        }
        if !rest.skip(',') || found.len() >= FIELDS_MAX {
            return None;
        }
    }
}

/// Reads `name=value, name="value"`; `None` for anything else, or for a name that comes twice.
pub(crate) fn params(text: &str) -> Option<Vec<(&str, &str)>> {
    let mut rest = Cursor(text);
    let mut found: Vec<(&str, &str)> = Vec::new();
    loop {
        rest.skip_space();
        let name = rest.word()?;
        rest.skip_space();
        if !rest.skip('=') {
            return None;
        }
        rest.skip_space();
        let given = if rest.0.starts_with('"') { rest.quoted()? } else { rest.word()? };
        if value(&found, name).is_some() {
            return None;
        }
        found.push((name, given));
        rest.skip_space();
        if rest.0.is_empty() {
            return Some(found);
        }
        if !rest.skip(',') || found.len() >= FIELDS_MAX {
            return None;
        }
    }
}

/// What has not been read yet.
struct Cursor<'a>(&'a str);

impl<'a> Cursor<'a> {
    fn skip_space(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t', '\r', '\n']);
    }

    fn skip(&mut self, sign: char) -> bool {
        let rest = self.0.strip_prefix(sign);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn split(&mut self, at: usize) -> &'a str {
        let (before, rest) = self.0.split_at(at);
        self.0 = rest;
        before
    }

    /// Anything visible up to a sign that ends or divides values; not nothing.
    fn word(&mut self) -> Option<&'a str> {
        let ends = |c: char| !c.is_ascii_graphic() || "\",;=<>".contains(c);
        let end = self.0.find(ends).unwrap_or(self.0.len());
        (end > 0).then(|| self.split(end))
    }

    /// What stands in quotes. A backslash, which would make its end a matter of opinion, is refused.
    fn quoted(&mut self) -> Option<&'a str> {
        let inner = self.0.strip_prefix('"')?;
        let end = inner.find(['"', '\\'])?;
        let text = &inner[..end];
        self.0 = inner[end..].strip_prefix('"')?;
        Some(text)
    }

    /// Over a display name in quotes, escapes and all.
    fn skip_quoted(&mut self) -> Option<()> {
        let inner = self.0.strip_prefix('"')?;
        let mut escaped = false;
        let end = inner.find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        })?;
        self.0 = &inner[end + 1..];
        Some(())
    }

    fn contact(&mut self) -> Option<Contact<'a>> {
        self.skip_space();
        let uri = if self.0.starts_with('"') {
            self.skip_quoted()?;
            self.skip_space();
            self.bracketed()?
        } else {
            // A display name without quotes is of words and spaces; an address without brackets has neither.
            let end = self.0.find(['<', ',', ';', '"']).unwrap_or(self.0.len());
            let before = self.split(end);
            if self.0.starts_with('<') { self.bracketed()? } else { before.trim_end() }
        };
        let is_plain = |c: char| c.is_ascii_graphic() && !"\"<>\\^`{|}".contains(c);
        if uri.is_empty() || uri == "*" || !uri.chars().all(is_plain) {
            return None;
        }
        Some(Contact { uri, params: self.contact_params()? })
    }

    fn bracketed(&mut self) -> Option<&'a str> {
        let inner = self.0.strip_prefix('<')?;
        let end = inner.find('>')?;
        self.0 = &inner[end + 1..];
        Some(&inner[..end])
    }

    fn contact_params(&mut self) -> Option<Vec<(&'a str, &'a str)>> {
        let mut found = Vec::new();
        loop {
            self.skip_space();
            if !self.skip(';') {
                return Some(found);
            }
            self.skip_space();
            let name = self.word()?;
            self.skip_space();
            let given = if self.skip('=') {
                self.skip_space();
                if self.0.starts_with('"') { self.quoted()? } else { self.word()? }
            } else {
                ""
            };
            if value(&found, name).is_some() || found.len() >= FIELDS_MAX {
                return None;
            }
            found.push((name, given));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uris(text: &str) -> Option<Vec<&str>> {
        match contacts(text)? {
            Contacts::All => Some(vec!["*"]),
            Contacts::Some(all) => Some(all.into_iter().map(|contact| contact.uri).collect()),
        }
    }

    #[test]
    fn addresses_are_read_as_they_were_written() {
        let table: [(&str, &[&str]); 9] = [
            ("*", &["*"]),
            ("<sip:a@192.0.2.1:5060;transport=udp>", &["sip:a@192.0.2.1:5060;transport=udp"]),
            ("sip:a@b;expires=60", &["sip:a@b"]),
            ("Room 1 <sip:a@b>, <sip:c@[2001:db8::1]>", &["sip:a@b", "sip:c@[2001:db8::1]"]),
            ("\"A, \\\"<sip:x@y>\" <sip:a@b>;q=0.5", &["sip:a@b"]),
            ("<sip:a@b>;+sip.instance=\"<urn:uuid:0, 1>\" , sip:c@d", &["sip:a@b", "sip:c@d"]),
            ("<sip:a@b?x=y>", &["sip:a@b?x=y"]),
            (" \t<sip:a@b>\t", &["sip:a@b"]),
            ("<sips:a@b;ob>;reg-id=1;ob", &["sips:a@b;ob"]),
        ];
        for (text, expected) in table {
            assert_eq!(uris(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_nothing() {
        for text in [
            "",
            " ",
            ",",
            "<>",
            "<sip:a@b",
            "<sip:a@b>>",
            "<sip:a b@c>",
            "\"a\" sip:a@b",
            "\"a <sip:a@b>",
            "<sip:a@b>,",
            "<sip:a@b>;",
            "<sip:a@b>;x=\"",
            "<sip:a@b>;x=\"\\\"\"",
            "<sip:a@b>;x=1;X=2",
            "*, <sip:a@b>",
            "<sip:a@b> x",
            "<sip:\u{e4}@b>",
        ] {
            assert_eq!(contacts(text), None, "{text}");
        }
        let many = |count| vec!["<sip:a@b>"; count].join(",");
        assert!(contacts(&many(FIELDS_MAX)).is_some(), "the control");
        assert_eq!(contacts(&many(FIELDS_MAX + 1)), None);
    }

    #[test]
    fn parameters_have_one_value_each() {
        let Some(Contacts::Some(all)) =
            contacts("<sip:a@b>;Expires=60;ob;reg-id=1;+sip.instance=\"<urn:x>\"")
        else {
            panic!("an address");
        };
        let of = |name| all[0].param(name);
        assert_eq!((of("expires"), of("ob"), of("Reg-Id")), (Some("60"), Some(""), Some("1")));
        assert_eq!((of("+SIP.instance"), of("q")), (Some("<urn:x>"), None));

        let read = params("username=\"a, b\", nc=00000001 ,\r\n qop = auth").expect("three");
        assert_eq!(read, [("username", "a, b"), ("nc", "00000001"), ("qop", "auth")]);
        for text in ["", "a", "a=", "a=b,", "a=b c=d", "a=\"b", "a=\"\\\"\"", "a=1,A=2", "=b", "a=b=c"] {
            assert_eq!(params(text), None, "{text}");
        }
    }
}
