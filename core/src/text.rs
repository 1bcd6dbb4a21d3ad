//! Text from outside: cleaned and bounded before it travels (security-reliability.md T30).

/// The text without terminal sequences, control, bidirectional and invisible characters, cut to `max` bytes.
///
/// Newlines and tabs stay. What was cut is shown by `…`.
pub fn clean(text: &str, max: usize) -> String {
    if text.len() <= max && text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len().min(max));
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        if character == '\u{1b}' {
            skip_escape(&mut rest);
            continue;
        }
        if is_hidden(character) {
            continue;
        }
        if out.len() + character.len_utf8() > max {
            out.push('…');
            break;
        }
        out.push(character);
    }
    out
}

/// The same on one line.
pub fn clean_line(text: &str, max: usize) -> String {
    let clean = clean(text, max);
    if clean.contains(['\n', '\t']) { clean.replace(['\n', '\t'], " ") } else { clean }
}

fn skip_escape(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match rest.peek() {
        Some('[') => {
            rest.next();
            while rest.next().is_some_and(|c| !('@'..='~').contains(&c)) {}
        }
        Some(']') => while rest.next().is_some_and(|c| c != '\u{7}' && c != '\u{1b}') {},
        _ => {}
    }
}

fn is_hidden(character: char) -> bool {
    (character.is_control() && character != '\n' && character != '\t')
        || matches!(character,
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_loses_its_tricks() {
        assert_eq!(clean("a\u{1b}[31mb\u{1b}]0;title\u{7}c\u{202e}d\u{e0041}\0\ne", 99), "abcd\ne");
        assert_eq!(clean("abcdef", 3), "abc…");
        assert_eq!(clean_line("a\nb", 9), "a b");
    }
}
