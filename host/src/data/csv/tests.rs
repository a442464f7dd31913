//! Every kind of bad file, each with the sentence it must give.

use super::*;

const REGRESSION: Shape = Shape {
    dim_in: 2,
    dim_out: 1,
    likelihood: Likelihood::Gaussian,
};
const BINARY: Shape = Shape {
    likelihood: Likelihood::Bernoulli,
    ..REGRESSION
};
const THREE_CLASSES: Shape = Shape {
    dim_out: 3,
    likelihood: Likelihood::Categorical,
    ..REGRESSION
};

fn load(text: &str, shape: &Shape) -> Result<Dataset, Error> {
    Table::parse("t.csv", text.as_bytes())?.into_dataset(shape)
}

#[test]
fn the_same_numbers_in_every_allowed_spelling() {
    let plain = load("1,2,3\n-4.5,5e-1,.6\n", &REGRESSION).unwrap();
    assert_eq!(plain.inputs(), [1.0, 2.0, -4.5, 0.5]);
    assert_eq!(plain.targets(), &Targets::Values(vec![3.0, 0.6]));
    for text in [
        "1,2,3\n-4.5,5e-1,.6",
        "1,2,3\r\n-4.5,5e-1,.6\r\n",
        "1,2,3\r-4.5,5e-1,.6\r",
        "\u{feff}1,2,3\n-4.5,5e-1,.6\n",
        "1, 2 ,3  \n\t-4.5,5e-1,.6\n",
        "\"1\",\"2\",3\n-4.5,5e-1,.6\n",
        "\"a\"\"b\",5\" disk,\"\"\n1,2,3\n-4.5,5e-1,.6\n",
        "a,b,y\n1,2,3\n-4.5,5e-1,.6\n",
        "\u{feff}\"a\nb\",,y\r\n1,2,3\r\n-4.5,5e-1,.6\r\n",
        "\n\n1,2,3\n\n   \n-4.5,5e-1,.6\n\n\n",
    ] {
        let set = load(text, &REGRESSION).unwrap();
        assert_eq!(set.inputs(), plain.inputs(), "{text:?}");
        assert_eq!(set.targets(), plain.targets(), "{text:?}");
    }
}

#[test]
fn a_text_among_numbers_is_a_mistake_unless_they_are_names() {
    let header = |text: &str| Table::parse("t.csv", text.as_bytes()).map(|t| t.header().is_some());
    for names in ["0,1,2,class\n1,2,3,0\n", "850,852,854,fat\n.1,.2,.3,9\n"] {
        assert_eq!(header(names), Ok(true), "{names}");
    }
    for (mistake, column) in [("5.1,3.5,x,0.2\n1,2,3,4\n", 3), ("x,1,2\n1,2,3\n", 1)] {
        let error = header(mistake).unwrap_err().to_string();
        assert_eq!(
            error,
            format!("t.csv, row 1, column {column}: `x` is not a number")
        );
    }
}

#[test]
fn a_table_of_inputs_alone_has_no_column_to_spare() {
    let shape = Shape {
        dim_in: 2,
        dim_out: 3,
        likelihood: Likelihood::Categorical,
    };
    let set = Table::parse("t.csv", b"1,2\n3,4\n").unwrap();
    let set = set.into_inputs(&shape).unwrap();
    assert_eq!((set.len(), set.inputs()), (2, &[1.0, 2.0, 3.0, 4.0][..]));
    let wide = Table::parse("t.csv", b"1,2,0,0\n").unwrap();
    assert!(wide.into_inputs(&shape).is_err());
}

#[test]
fn the_header_is_kept_and_is_no_row() {
    let table = Table::parse("t.csv", b"x, y ,class\n1,2,0\n").unwrap();
    assert_eq!(table.header().unwrap(), ["x", "y", "class"]);
    assert_eq!((table.rows(), table.columns()), (1, 3));
    assert_eq!(Table::parse("t.csv", b"1,2\n").unwrap().header(), None);
}

#[test]
fn classes_are_read_as_indices() {
    let set = load("0,0,2\n0,0,0\n0,0,1.0\n", &THREE_CLASSES).unwrap();
    assert_eq!(set.targets(), &Targets::Classes(vec![2, 0, 1]));
    assert_eq!((set.dim_in(), set.dim_out(), set.len()), (2, 3, 3));
    let set = load("0,0,0\n0,0,1\n0,0,0.25", &BINARY).unwrap();
    assert_eq!(set.targets(), &Targets::Values(vec![0.0, 1.0, 0.25]));
}

#[test]
fn one_row_is_enough_here() {
    assert_eq!(load("1,2,3", &REGRESSION).unwrap().len(), 1);
}

/// A file, what it is read as, and the sentence that it must give.
const BAD_FILES: &[(&str, &Shape, &str)] = &[
    ("", &REGRESSION, "t.csv: is empty"),
    ("\u{feff}", &REGRESSION, "t.csv: is empty"),
    (" \n\r\n\n", &REGRESSION, "t.csv: is empty"),
    (
        "a,b,c\n",
        &REGRESSION,
        "t.csv: holds a header and no row of numbers",
    ),
    (
        "1,2,3\n4,5\n",
        &REGRESSION,
        "t.csv, row 2: has 2 cells, but the first row has 3",
    ),
    (
        "a,b,c\n\n4,5,6,7\n",
        &REGRESSION,
        "t.csv, row 3: has 4 cells, but the first row has 3",
    ),
    (
        "1,2,3\n4\n",
        &REGRESSION,
        "t.csv, row 2: has 1 cell, but the first row has 3",
    ),
    (
        "1,2,3\n4,five,6\n",
        &REGRESSION,
        "t.csv, row 2, column 2: `five` is not a number",
    ),
    (
        "a,b,c\n1,b,3\n",
        &REGRESSION,
        "t.csv, row 2, column 2: `b` is not a number",
    ),
    (
        "1,2,3\r\n\r\n4,5,6x\r\n",
        &REGRESSION,
        "t.csv, row 3, column 3: `6x` is not a number",
    ),
    (
        "1,2,3\n4,,6\n",
        &REGRESSION,
        "t.csv, row 2, column 2: the cell is empty",
    ),
    (
        ",2,3\n",
        &REGRESSION,
        "t.csv, row 1, column 1: the cell is empty",
    ),
    (
        "1,2,3\n,,\n",
        &REGRESSION,
        "t.csv, row 2, column 1: the cell is empty",
    ),
    (
        "1,nan,3\n",
        &REGRESSION,
        "t.csv, row 1, column 2: `nan` is not a finite number",
    ),
    (
        "nan,NaN,nan\n",
        &REGRESSION,
        "t.csv, row 1, column 1: `nan` is not a finite number",
    ),
    (
        "1,2,3\n1,2,-inf\n",
        &REGRESSION,
        "t.csv, row 2, column 3: `-inf` is not a finite number",
    ),
    (
        "Infinity,2,3\n",
        &REGRESSION,
        "t.csv, row 1, column 1: `Infinity` is not a finite number",
    ),
    (
        "1e400,2,3\n",
        &REGRESSION,
        "t.csv, row 1, column 1: `1e400` is not a finite number",
    ),
    (
        "1,2\n",
        &REGRESSION,
        "t.csv: has 2 columns, but the net takes 2 inputs and 1 target",
    ),
    (
        "1;2;3\n4;5;6\n",
        &REGRESSION,
        "t.csv, row 1: is separated by ';', where commas are expected",
    ),
    (
        "a;b;c\n4;5;6\n",
        &REGRESSION,
        "t.csv, row 2: is separated by ';', where commas are expected",
    ),
    (
        "1;2;3\n",
        &REGRESSION,
        "t.csv, row 1: is separated by ';', where commas are expected",
    ),
    (
        "1,5;2,5;3\n",
        &REGRESSION,
        "t.csv, row 1: is separated by ';', where commas are expected",
    ),
    (
        "x;y\n1,5;2\n",
        &REGRESSION,
        "t.csv, row 2: is separated by ';', where commas are expected",
    ),
    (
        "a\tb\tc\n4\t5\t6\n",
        &REGRESSION,
        "t.csv, row 2: is separated by tabs, where commas are expected",
    ),
    (
        "4\tx\t6\n",
        &REGRESSION,
        "t.csv, row 1: is separated by tabs, where commas are expected",
    ),
    (
        "1 2  3\n4 5 6\n",
        &REGRESSION,
        "t.csv, row 1: is separated by spaces, where commas are expected",
    ),
    (
        "1,2,3\n4,five or 6,6\n",
        &REGRESSION,
        "t.csv, row 2, column 2: `five or 6` is not a number",
    ),
    (
        "1,2,3\n\n4,\"5,6\n7,8,9\n",
        &REGRESSION,
        "t.csv, row 3: a quote opens here and is never closed",
    ),
    (
        "\"a,b,c\n1,2,3\n",
        &REGRESSION,
        "t.csv, row 1: a quote opens here and is never closed",
    ),
    (
        "\"a\"\"\",b,c\n1,2,\"3\"\"",
        &REGRESSION,
        "t.csv, row 2: a quote opens here and is never closed",
    ),
    (
        "1,2,3\n4,5\0,6\n",
        &REGRESSION,
        "t.csv, row 2, column 2: holds a NUL byte, which UTF-8 text does not",
    ),
    (
        "7\n",
        &THREE_CLASSES,
        "t.csv: has 1 column, but the net takes 2 inputs and 1 class",
    ),
    (
        "1,2,3,4\n",
        &THREE_CLASSES,
        "t.csv: has 4 columns, but the net takes 2 inputs and 1 class",
    ),
    (
        "0,0,3\n",
        &THREE_CLASSES,
        "t.csv, row 1, column 3: 3 is no class, which is an integer from 0 to 2",
    ),
    (
        "h,h,h\n0,0,-1\n",
        &THREE_CLASSES,
        "t.csv, row 2, column 3: -1 is no class, which is an integer from 0 to 2",
    ),
    (
        "0,0,0\n0,0,0.5\n",
        &THREE_CLASSES,
        "t.csv, row 2, column 3: 0.5 is no class, which is an integer from 0 to 2",
    ),
    (
        "0,0,1e30\n",
        &THREE_CLASSES,
        "t.csv, row 1, column 3: 1e30 is no class, which is an integer from 0 to 2",
    ),
    (
        "0,0,1\n\n0,0,1.5\n",
        &BINARY,
        "t.csv, row 3, column 3: 1.5 is no Bernoulli target, which lies between 0 and 1",
    ),
    (
        "0,0,-0.1\n",
        &BINARY,
        "t.csv, row 1, column 3: -0.1 is no Bernoulli target, which lies between 0 and 1",
    ),
];

#[test]
fn bad_files_give_their_sentence() {
    for (text, shape, sentence) in BAD_FILES {
        match load(text, shape) {
            Ok(_) => panic!("{text:?} was accepted"),
            Err(error) => assert_eq!(error.to_string(), *sentence, "{text:?}"),
        }
    }
}

#[test]
fn bytes_that_are_no_text_are_placed() {
    for (bytes, sentence) in [
        (
            &b"1,2,3\n4,\xff,6\n"[..],
            "t.csv, row 2, column 2: is not UTF-8 text",
        ),
        (
            b"\xff\xfe1\0,\0",
            "t.csv, row 1, column 1: is not UTF-8 text",
        ),
        (
            b"1,2,3\r\n\r\n4,5,\xe4\r\n",
            "t.csv, row 3, column 3: is not UTF-8 text",
        ),
    ] {
        let error = Table::parse("t.csv", bytes).unwrap_err();
        assert_eq!(error.to_string(), sentence);
    }
}

#[test]
fn a_huge_cell_gives_a_short_message() {
    let text = format!("1,2\n{},4\n", "9z".repeat(100_000));
    let message = Table::parse("t.csv", text.as_bytes())
        .unwrap_err()
        .to_string();
    assert!(message.len() < 100, "{message}");
}

#[test]
fn impossible_shapes_are_refused() {
    let zero = Shape {
        dim_out: 0,
        ..REGRESSION
    };
    assert!(
        load("1,2", &zero)
            .unwrap_err()
            .to_string()
            .starts_with("--net: ")
    );
    let vast = Shape {
        dim_in: usize::MAX,
        ..REGRESSION
    };
    assert!(
        load("1,2", &vast)
            .unwrap_err()
            .to_string()
            .contains("has 2 columns")
    );
    let classes = Shape {
        dim_out: 100_000,
        ..THREE_CLASSES
    };
    assert!(load("0,0,70000", &classes).is_err());
}

#[test]
fn the_line_and_the_place_survive_a_selection() {
    let set = load("a,b,c\n\n1,2,3\n\n1e39,5,6\n", &REGRESSION).unwrap();
    let message = set
        .select(&[1, 0])
        .inputs_as::<f32>()
        .unwrap_err()
        .to_string();
    assert_eq!(message, "t.csv, row 5, column 1: 1e39 is too large for f32");
}

#[test]
fn files_are_named_as_the_user_named_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("numbers.csv");
    std::fs::write(&path, "x,y\n1,2\n3,4\n").unwrap();
    let table = Table::read(&path).unwrap();
    assert_eq!(table.cells, [1.0, 2.0, 3.0, 4.0]);
    for bad in [
        folder.path().join("missing.csv"),
        folder.path().to_path_buf(),
    ] {
        let message = Table::read(&bad).unwrap_err().to_string();
        assert!(message.starts_with(&shown(&bad)), "{message}");
    }
}

#[test]
fn printed_numbers_come_back_bit_by_bit() {
    let numbers = [
        0.1,
        -1.0 / 3.0,
        1e-308,
        f64::MAX,
        5e-324,
        123_456_789.123_456_78,
    ];
    let text: Vec<String> = numbers.iter().map(f64::to_string).collect();
    let table = Table::parse("t.csv", text.join(",").as_bytes()).unwrap();
    assert_eq!(table.cells, numbers);
}
