//! How kubelet 1.35 and newer reads a variable from an env file: its parser, line by line, and what it does
//! with the result.

/// The value that the container gets, as kubelet's `ParseEnv` and its caller find it.
pub(crate) fn read(file: &[u8], key: &str) -> Result<Vec<u8>, String> {
    let value = find(file, key)?.ok_or("the key is not in the file")?;
    if value.is_empty() {
        // `runtimeVal == ""` is taken as not found.
        return Err("the key is empty, so missing".to_owned());
    }
    if value.contains(&0) {
        return Err("the container runtime refuses NUL".to_owned());
    }
    // The container runtime's interface has protobuf strings.
    String::from_utf8(value)
        .map(String::into_bytes)
        .map_err(|_bytes| "the container runtime refuses what is not UTF-8".to_owned())
}

fn find(file: &[u8], wanted: &str) -> Result<Option<Vec<u8>>, String> {
    let mut lines = scan(file)?.into_iter();
    while let Some(line) = lines.next() {
        let line = trim_blanks(&line).to_vec();
        if line.is_empty() || line[0] == b'#' {
            continue;
        }
        let equals = line.iter().position(|&byte| byte == b'=').ok_or("no `=`")?;
        let (key, rest) = (&line[..equals], &line[equals + 1..]);
        if key.is_empty() || key.iter().any(|byte| b" \t".contains(byte)) {
            return Err("a blank before `=`".to_owned());
        }
        let value = match rest.first() {
            Some(b'\'') => quoted(&rest[1..], &mut lines)?,
            Some(b' ' | b'\t') => Vec::new(),
            _ => return Err("the value is not in single quotes".to_owned()),
        };
        // The first match wins, and nothing after it is read.
        if key == wanted.as_bytes() {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

/// Everything up to the next single quote, literally, over as many lines as it takes.
fn quoted(first: &[u8], lines: &mut impl Iterator<Item = Vec<u8>>) -> Result<Vec<u8>, String> {
    let mut value = Vec::new();
    let mut line = first.to_vec();
    loop {
        if let Some(end) = line.iter().position(|&byte| byte == b'\'') {
            value.extend_from_slice(&line[..end]);
            let after = trim_blanks(&line[end + 1..]);
            return if after.is_empty() || after[0] == b'#' {
                Ok(value)
            } else {
                Err("something after the closing quote".to_owned())
            };
        }
        value.extend_from_slice(&line);
        value.push(b'\n');
        line = lines.next().ok_or("no closing quote")?;
    }
}

fn trim_blanks(line: &[u8]) -> &[u8] {
    let start = line.iter().position(|byte| !b" \t".contains(byte));
    start.map_or(&[], |start| &line[start..])
}

/// Go's `bufio.Scanner` with `ScanLines`: a carriage return at the end of a line goes, and a line that does not
/// fit its buffer of 64 KiB together with its line feed ends everything.
fn scan(file: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let mut lines: Vec<&[u8]> = file.split(|&byte| byte == b'\n').collect();
    if lines.last().is_some_and(|last| last.is_empty()) {
        lines.pop();
    }
    lines
        .into_iter()
        .map(|line| {
            if line.len() >= 64 * 1024 {
                return Err("bufio.Scanner: token too long".to_owned());
            }
            Ok(line.strip_suffix(b"\r").unwrap_or(line).to_vec())
        })
        .collect()
}

#[test]
fn the_port_knows_the_rules_of_the_original() {
    let value = |file: &str| read(file.as_bytes(), "K");
    assert_eq!(value("# c\n\n  J='x'\n\tK='v' # c\n"), Ok(b"v".to_vec()));
    assert_eq!(value("K='a\n#b\n\nc'"), Ok(b"a\n#b\n\nc".to_vec()));
    assert_eq!(value("K='first'\nK='second'\ngarbage"), Ok(b"first".to_vec()));
    assert_eq!(value("K='a\r\nb'\n"), Ok(b"a\nb".to_vec()));
    for bad in [
        "garbage\nK='v'",
        "K=v",
        "K=\"v\"",
        "K='a''b'",
        "K ='v'",
        "K= 'v'",
        "K=''",
        "K='v",
        "",
    ] {
        assert!(value(bad).is_err(), "{bad:?} was taken");
    }
    assert!(value(&format!("K='{}'\n", "x".repeat(65_531))).is_ok());
    assert!(value(&format!("K='{}'\n", "x".repeat(65_532))).is_err());
}
