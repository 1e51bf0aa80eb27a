//! What a backlog is like, and the star of cells that are measured.

use serde_json::{Value, json};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    pub rows_per_transaction: u64,
    /// Bytes of an event's payload.
    pub payload: u64,
    pub partitions: i32,
}

/// The cell of the bars, from which the others differ in one thing each.
pub const REFERENCE: Cell = Cell { rows_per_transaction: 1000, payload: 300, partitions: 6 };
/// The other cell with a bar: as an application writes that has one event a transaction.
pub const ONE_ROW: Cell = Cell { rows_per_transaction: 1, ..REFERENCE };

/// What a cell can differ in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    RowsPerTransaction,
    Payload,
    Partitions,
}

impl Axis {
    pub const ALL: [Axis; 3] = [Axis::RowsPerTransaction, Axis::Payload, Axis::Partitions];

    pub fn label(self) -> &'static str {
        match self {
            Axis::RowsPerTransaction => "rows a transaction",
            Axis::Payload => "payload, bytes",
            Axis::Partitions => "partitions",
        }
    }

    /// Its cells, the reference among them, from small to large.
    pub fn cells(self) -> Vec<Cell> {
        let of_rows = |rows_per_transaction| Cell { rows_per_transaction, ..REFERENCE };
        let of_bytes = |payload| Cell { payload, ..REFERENCE };
        let of_partitions = |partitions| Cell { partitions, ..REFERENCE };
        match self {
            Axis::RowsPerTransaction => [1, 100, 1000, 10_000].map(of_rows).to_vec(),
            Axis::Payload => [200, 300, 1000, 10_000].map(of_bytes).to_vec(),
            Axis::Partitions => [1, 6, 24].map(of_partitions).to_vec(),
        }
    }

    pub fn of(self, cell: Cell) -> u64 {
        match self {
            Axis::RowsPerTransaction => cell.rows_per_transaction,
            Axis::Payload => cell.payload,
            Axis::Partitions => cell.partitions as u64,
        }
    }
}

/// The reference first, then what differs from it.
pub fn star() -> Vec<Cell> {
    let mut star = vec![REFERENCE];
    star.extend(Axis::ALL.into_iter().flat_map(Axis::cells).filter(|cell| *cell != REFERENCE));
    star
}

impl Cell {
    /// For names of topics and slots, and to choose it by.
    pub fn word(self) -> String {
        format!("{}x{}x{}", self.rows_per_transaction, self.payload, self.partitions)
    }

    pub fn label(self) -> String {
        let rows = match self.rows_per_transaction {
            1 => "one row a transaction".to_owned(),
            rows => format!("{rows} rows a transaction"),
        };
        let partitions = if self.partitions == 1 { "partition" } else { "partitions" };
        format!("{rows}, {} B, {} {partitions}", self.payload, self.partitions)
    }

    pub fn json(self) -> Value {
        json!({"rows_per_transaction": self.rows_per_transaction, "payload_bytes": self.payload, "partitions": self.partitions})
    }
}
