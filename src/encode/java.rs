//! What Java's `toString` makes of values: the text of StringConverter, and the numbers of every converter.

use super::moment::moment;
use crate::decode::value::{Kind, Value};
use std::fmt::Arguments;
use std::io::Write;

/// Appends what `toString` gives for a value of this kind; NULL is `null`, as it is inside a list.
pub(super) fn write(kind: &Kind, value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Boolean(true) => out.extend_from_slice(b"true"),
        Value::Boolean(false) => out.extend_from_slice(b"false"),
        Value::Integer(number) => match moment(kind, *number) {
            Some(moment) => moment.java(out),
            None => integer(*number, out),
        },
        Value::Float32(number) => float(*number, out),
        Value::Float64(number) => double(*number, out),
        Value::Text(text) => out.extend_from_slice(text.as_bytes()),
        Value::Hex(hex) => buffer(hex.len(), out),
        Value::Bytes(bytes) if *kind == Kind::Bytes => buffer(bytes.len(), out),
        Value::Bytes(_) => out.extend_from_slice(ARRAY_OF_BYTES),
        Value::Decimal { scale, .. } if *kind == Kind::VariableScaleDecimal => {
            let _ = write!(out, "Struct{{scale={scale},value=");
            out.extend_from_slice(ARRAY_OF_BYTES);
            out.push(b'}');
        }
        Value::Decimal { unscaled, scale } => decimal(unscaled, *scale, out),
        Value::Point { x, y } => {
            out.extend_from_slice(b"Struct{x=");
            double(*x, out);
            out.extend_from_slice(b",y=");
            double(*y, out);
            out.extend_from_slice(b",wkb=");
            out.extend_from_slice(ARRAY_OF_BYTES);
            out.push(b'}');
        }
        Value::Map(entries) => {
            out.push(b'{');
            for (index, (key, value)) in entries.iter().enumerate() {
                out.extend_from_slice(if index > 0 { b", " } else { b"" });
                out.extend_from_slice(key.as_bytes());
                out.push(b'=');
                out.extend_from_slice(value.as_deref().unwrap_or("null").as_bytes());
            }
            out.push(b'}');
        }
        Value::Array(items) => {
            let element = element_of(kind);
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.extend_from_slice(b", ");
                }
                // A nested array is of the same kind.
                write(if matches!(item, Value::Array(_)) { kind } else { element }, item, out);
            }
            out.push(b']');
        }
    }
}

/// A Java `byte[]` prints its type and its identity, which means nothing; ours is always 0.
const ARRAY_OF_BYTES: &[u8] = b"[B@0";

/// What a ByteBuffer prints.
fn buffer(len: usize, out: &mut Vec<u8>) {
    let _ = write!(out, "java.nio.HeapByteBuffer[pos=0 lim={len} cap={len}]");
}

/// The elements' kind of an array; of anything else, the kind itself.
pub(super) fn element_of(kind: &Kind) -> &Kind {
    match kind {
        Kind::Array(element) => element,
        other => other,
    }
}

/// `Long.toString`.
pub(super) fn integer(number: i64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = number.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        at -= 1;
        digits[at] = b'-';
    }
    out.extend_from_slice(&digits[at..]);
}

/// `Float.toString`.
pub(super) fn float(number: f32, out: &mut Vec<u8>) {
    if number.is_finite() {
        digits(format_args!("{number:e}"), format_args!("{number:.1e}"), out);
    } else {
        special(f64::from(number), out);
    }
}

/// `Double.toString`. The shortest digits that read back as the same number, as Java does since 19; older ones print
/// a digit more for a few numbers.
pub(super) fn double(number: f64, out: &mut Vec<u8>) {
    if number.is_finite() {
        digits(format_args!("{number:e}"), format_args!("{number:.1e}"), out);
    } else {
        special(number, out);
    }
}

fn special(number: f64, out: &mut Vec<u8>) {
    out.extend_from_slice(match number {
        f64::INFINITY => b"Infinity",
        f64::NEG_INFINITY => b"-Infinity",
        _ => b"NaN",
    });
}

/// Java makes two digits of one, and takes the nearest ones: of the very smallest numbers the second is not 0.
fn digits(shortest: Arguments<'_>, two: Arguments<'_>, out: &mut Vec<u8>) {
    let start = out.len();
    lay_out(shortest, out);
    if let [.., b'.', b'0', b'E', b'-', _, _] | [.., b'.', b'0', b'E', b'-', _, _, _] = out[start..] {
        out.truncate(start);
        lay_out(two, out);
    }
}

/// Lays out Rust's `-d.ddde±n` as Java does: plain from 10^-3 to 10^7, else `d.dddE±n`; a digit follows every point.
fn lay_out(scientific: Arguments<'_>, out: &mut Vec<u8>) {
    // 17 digits, a point, two signs, `e` and three digits of exponent at most.
    let mut buffer = [0u8; 32];
    let mut rest = &mut buffer[..];
    let _ = rest.write_fmt(scientific);
    let unused = rest.len();
    let text = &buffer[..buffer.len() - unused];
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(text) => (true, text),
        None => (false, text),
    };
    let e = text.iter().position(|byte| *byte == b'e').unwrap_or(text.len());
    let exponent: i32 =
        text.get(e + 1..).and_then(|text| str::from_utf8(text).ok()?.parse().ok()).unwrap_or(0);
    let mut digits = [0u8; 20];
    let mut count = 0;
    for digit in text[..e].iter().filter(|byte| **byte != b'.') {
        digits[count] = *digit;
        count += 1;
    }
    // Of two digits, the second may be 0.
    if count == 2 && digits[1] == b'0' {
        count = 1;
    }
    let digits = &digits[..count];
    if negative {
        out.push(b'-');
    }
    match exponent {
        _ if digits == b"0" => out.extend_from_slice(b"0.0"),
        0..7 => {
            let whole = exponent as usize + 1;
            let (known, zeros) = (count.min(whole), whole.saturating_sub(count));
            out.extend_from_slice(&digits[..known]);
            out.extend(std::iter::repeat_n(b'0', zeros));
            out.push(b'.');
            fraction(&digits[known..], out);
        }
        -3..0 => {
            out.extend_from_slice(b"0.");
            out.extend(std::iter::repeat_n(b'0', -exponent as usize - 1));
            out.extend_from_slice(digits);
        }
        _ => {
            out.push(digits[0]);
            out.push(b'.');
            fraction(&digits[1..], out);
            out.push(b'E');
            integer(i64::from(exponent), out);
        }
    }
}

fn fraction(digits: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(if digits.is_empty() { b"0" } else { digits });
}

/// `BigDecimal.toString`: plain unless the scale is negative or the number smaller than 10^-6.
pub(super) fn decimal(unscaled: &str, scale: i32, out: &mut Vec<u8>) {
    let (negative, digits) = match unscaled.strip_prefix('-') {
        Some(digits) => (true, digits.as_bytes()),
        None => (false, unscaled.as_bytes()),
    };
    if negative {
        out.push(b'-');
    }
    let adjusted = digits.len() as i64 - 1 - i64::from(scale);
    if scale == 0 {
        out.extend_from_slice(digits);
    } else if scale > 0 && adjusted >= -6 {
        let scale = scale as usize;
        if digits.len() > scale {
            let (whole, fraction) = digits.split_at(digits.len() - scale);
            out.extend_from_slice(whole);
            out.push(b'.');
            out.extend_from_slice(fraction);
        } else {
            out.extend_from_slice(b"0.");
            out.extend(std::iter::repeat_n(b'0', scale - digits.len()));
            out.extend_from_slice(digits);
        }
    } else {
        out.extend_from_slice(&digits[..1]);
        if digits.len() > 1 {
            out.push(b'.');
            out.extend_from_slice(&digits[1..]);
        }
        if adjusted != 0 {
            out.extend_from_slice(if adjusted > 0 { b"E+" } else { b"E" });
            integer(adjusted, out);
        }
    }
}

/// `BigInteger.toByteArray` of decimal digits: two's complement, big endian, as short as it can be.
pub(super) fn unscaled_bytes(unscaled: &str) -> Vec<u8> {
    let (negative, digits) = match unscaled.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, unscaled),
    };
    // Little endian; 18 digits are taken in at a time.
    let mut limbs: Vec<u32> = Vec::with_capacity(digits.len() / 9 + 1);
    for group in digits.as_bytes().chunks(9) {
        let mut carry = group.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
        let base = 10u64.pow(group.len() as u32);
        for limb in &mut limbs {
            carry += u64::from(*limb) * base;
            *limb = carry as u32;
            carry >>= 32;
        }
        limbs.push(carry as u32);
    }
    let mut bytes: Vec<u8> = limbs.iter().flat_map(|limb| limb.to_le_bytes()).collect();
    bytes.push(0);
    if negative {
        let mut carry = true;
        for byte in &mut bytes {
            let (negated, overflow) = (!*byte).overflowing_add(u8::from(carry));
            (*byte, carry) = (negated, overflow);
        }
    }
    let sign = if negative { 0xff } else { 0 };
    while let [.., below, last] = bytes[..] {
        if last != sign || (below ^ sign) & 0x80 != 0 {
            break;
        }
        bytes.pop();
    }
    bytes.reverse();
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn doubles_are_plain_between_a_thousandth_and_ten_million() {
        for (number, text) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (0.001, "0.001"),
            (0.000999, "9.99E-4"),
            (5e-324, "4.9E-324"),
            (-1e-323, "-9.9E-324"),
            (2e-323, "2.0E-323"),
            (1e-300, "1.0E-300"),
            (2e23, "2.0E23"),
            (9999999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (123456.789, "123456.789"),
            (-1234.5, "-1234.5"),
            (1e-10, "1.0E-10"),
            (1e21, "1.0E21"),
            (1.2345678901234567e19, "1.2345678901234567E19"),
            (f64::MAX, "1.7976931348623157E308"),
            (2.5e-320, "2.5E-320"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "Infinity"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(written(|out| double(number, out)), text);
        }
        for (number, text) in [(3.3f32, "3.3"), (1e10, "1.0E10"), (f32::MIN_POSITIVE, "1.1754944E-38")] {
            assert_eq!(written(|out| float(number, out)), text);
        }
    }

    #[test]
    fn decimals_print_as_big_decimal_does() {
        for (unscaled, scale, text) in [
            ("1234560", 2, "12345.60"),
            ("1000", 10, "1.000E-7"),
            ("0", 0, "0"),
            ("0", 2, "0.00"),
            ("-5", 2, "-0.05"),
            ("1", 6, "0.000001"),
            ("1", 7, "1E-7"),
            ("123", -2, "1.23E+4"),
            ("100000000000000000000", 0, "100000000000000000000"),
        ] {
            assert_eq!(written(|out| decimal(unscaled, scale, out)), text);
        }
    }

    #[test]
    fn unscaled_values_are_shortest_twos_complement() {
        for (digits, bytes) in [
            ("0", vec![0]),
            ("127", vec![0x7f]),
            ("128", vec![0, 0x80]),
            ("-1", vec![0xff]),
            ("-128", vec![0x80]),
            ("-129", vec![0xff, 0x7f]),
            ("255", vec![0, 0xff]),
            ("1234560", vec![0x12, 0xd6, 0x80]),
            ("100000000000000000000", vec![5, 0x6b, 0xc7, 0x5e, 0x2d, 0x63, 0x10, 0, 0]),
        ] {
            assert_eq!(unscaled_bytes(digits), bytes, "{digits}");
        }
    }

    #[test]
    fn lists_structs_and_buffers_print_as_java_objects() {
        let text = |kind: Kind, value: Value<'_>| written(|out| write(&kind, &value, out));
        let list = Value::Array(vec![Value::Integer(1), Value::Null, Value::Integer(3)]);
        assert_eq!(text(Kind::Array(Box::new(Kind::Int32)), list), "[1, null, 3]");
        let bytes = Value::Bytes(vec![0, 255, 128].into());
        assert_eq!(text(Kind::Bytes, bytes.clone()), "java.nio.HeapByteBuffer[pos=0 lim=3 cap=3]");
        assert_eq!(text(Kind::Bits { length: 5 }, bytes), "[B@0");
        let number = Value::Decimal { unscaled: "1234".into(), scale: 2 };
        assert_eq!(text(Kind::VariableScaleDecimal, number.clone()), "Struct{scale=2,value=[B@0}");
        assert_eq!(text(Kind::Decimal { precision: 4, scale: 2 }, number), "12.34");
        assert_eq!(text(Kind::Point, Value::Point { x: 1.5, y: 2.0 }), "Struct{x=1.5,y=2.0,wkb=[B@0}");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_double_reads_back_as_itself(bits in any::<u64>()) {
            let number = f64::from_bits(bits);
            let text = written(|out| double(number, out));
            let read: f64 = text.parse().unwrap();
            prop_assert!(read.to_bits() == bits || number.is_nan());
        }

        #[test]
        fn unscaled_bytes_are_those_of_the_number(number in any::<i128>()) {
            let bytes = unscaled_bytes(&number.to_string());
            let sign = if number < 0 { 0xff } else { 0 };
            let mut wide = [sign; 16];
            wide[16 - bytes.len()..].copy_from_slice(&bytes);
            prop_assert_eq!(i128::from_be_bytes(wide), number);
        }
    }
}
