//! The schema that Debezium's router infers of a document (`JsonSchemaData`), and whether the document then fits it.
//!
//! Everything is optional, but for the elements of an array whose objects differ: they are given all the members that any
//! of them has. Two steps fail apart in Debezium. What fails here in [`Shapes::infer`] is left as a string there; what
//! does not [`Shapes::fit`] the schema has a string with the schema of a struct there, of which converters die.

use crate::decode::json::{Document, Members, Node, Span};
use std::collections::HashMap;
use std::fmt;

/// What a value is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    Text,
    Boolean,
    Int32,
    Int64,
    Float64,
    /// Of nothing but NULL, where such a thing is kept.
    Bytes,
    /// Of elements with the shape of this number.
    Array(u32),
    /// Of the fields from this number to that.
    Struct {
        first: u32,
        end: u32,
        optional: bool,
    },
}

/// A member of a struct.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub(super) name: Span,
    pub(super) shape: Shape,
}

/// Debezium refuses to infer a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoSchema;

/// Shapes of one document. Its `Debug` shows no content.
#[derive(Default)]
pub(super) struct Shapes {
    elements: Vec<Shape>,
    fields: Vec<Field>,
    /// Fields of structs that are not finished.
    stack: Vec<Field>,
    /// Some value may not fit.
    doubtful: bool,
}

impl fmt::Debug for Shapes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shapes({} fields)", self.fields.len())
    }
}

impl Shapes {
    /// The root's shape; `None` when it is dropped, as an array without elements is. With `nulls`, NULLs are kept.
    pub(super) fn infer(
        &mut self,
        document: &Document,
        text: &[u8],
        nulls: bool,
    ) -> Result<Option<Shape>, NoSchema> {
        const KEPT: usize = 20_000;
        self.elements.clear();
        self.fields.clear();
        self.stack.clear();
        self.fields.shrink_to(KEPT);
        self.elements.shrink_to(KEPT);
        self.stack.shrink_to(KEPT);
        // A renamed member may have the schema of one and the value of another.
        self.doubtful = document.big() || document.renamed();
        Inference { document, text, nulls, shapes: self }.shape(0)
    }

    /// Whether every value has the type of its schema.
    pub(super) fn fit(&self, document: &Document, text: &[u8], root: Shape) -> bool {
        !self.doubtful || self.fits(document, text, root, 0)
    }

    /// The fields of a struct.
    pub(super) fn fields(&self, first: u32, end: u32) -> &[Field] {
        &self.fields[first as usize..end as usize]
    }

    /// The shape of an array's elements.
    pub(super) fn element(&self, number: u32) -> Shape {
        self.elements[number as usize]
    }

    fn fits(&self, document: &Document, text: &[u8], shape: Shape, node: u32) -> bool {
        match (shape, document.node(node)) {
            (Shape::Struct { optional, .. }, Node::Null) => optional,
            (_, Node::Null)
            | (Shape::Text, Node::Text(_))
            | (Shape::Boolean, Node::Boolean(_))
            | (Shape::Int32, Node::Int(_))
            | (Shape::Int64, Node::Long(_))
            | (Shape::Float64, Node::Double(_)) => true,
            (Shape::Array(element), Node::Array { .. }) => {
                let element = self.element(element);
                document.items(node).all(|item| self.fits(document, text, element, item))
            }
            (Shape::Struct { first, end, .. }, Node::Object { .. }) => {
                let mut lookup = Lookup::new(document, text, node);
                self.fields(first, end).iter().all(|field| {
                    lookup.find(field.name).is_none_or(|value| self.fits(document, text, field.shape, value))
                })
            }
            _ => false,
        }
    }
}

/// Finds members of an object by name, quickly when asked in about the order they have.
pub(super) struct Lookup<'d> {
    document: &'d Document,
    text: &'d [u8],
    object: u32,
    /// The member that is looked at first, and those after it.
    next: Option<(Span, u32)>,
    rest: Members<'d>,
}

impl<'d> Lookup<'d> {
    /// In the object at `object`.
    pub(super) fn new(document: &'d Document, text: &'d [u8], object: u32) -> Lookup<'d> {
        let mut rest = document.own_members(object);
        Lookup { document, text, object, next: rest.next(), rest }
    }

    /// The value of the member of this name.
    pub(super) fn find(&mut self, name: Span) -> Option<u32> {
        let name = self.document.bytes(self.text, name);
        match self.next {
            Some((member, value)) if self.document.bytes(self.text, member) == name => {
                self.next = self.rest.next();
                Some(value)
            }
            _ => self.search(name),
        }
    }

    fn search(&mut self, name: &[u8]) -> Option<u32> {
        for mut members in [self.rest.clone(), self.document.own_members(self.object)] {
            if let Some(value) = self.among(&mut members, name) {
                (self.next, self.rest) = (members.next(), members);
                return Some(value);
            }
        }
        None
    }

    fn among(&self, members: &mut Members<'d>, name: &[u8]) -> Option<u32> {
        members.find(|(member, _)| self.document.bytes(self.text, *member) == name).map(|(_, value)| value)
    }
}

struct Inference<'i> {
    document: &'i Document,
    text: &'i [u8],
    nulls: bool,
    shapes: &'i mut Shapes,
}

/// More fields than these are looked up by hash.
const FEW: usize = 16;

impl<'i> Inference<'i> {
    /// `None` when the member or element is dropped.
    fn shape(&mut self, node: u32) -> Result<Option<Shape>, NoSchema> {
        Ok(Some(match self.document.node(node) {
            Node::Null if self.nulls => Shape::Bytes,
            Node::Null => return Ok(None),
            Node::Boolean(_) => Shape::Boolean,
            Node::Int(_) => Shape::Int32,
            Node::Long(_) => Shape::Int64,
            Node::Big | Node::Double(_) | Node::Number(_) => Shape::Float64,
            Node::Text(_) => Shape::Text,
            Node::Array { end } if end == node + 1 => return Ok(None),
            Node::Array { .. } => {
                let element = self.element(node)?;
                self.shapes.elements.push(element);
                Shape::Array(self.shapes.elements.len() as u32 - 1)
            }
            Node::Object { .. } => self.object(node)?,
            Node::Name { .. } | Node::Renamed { .. } | Node::Again => return Err(NoSchema),
        }))
    }

    fn object(&mut self, node: u32) -> Result<Shape, NoSchema> {
        let mark = self.shapes.stack.len();
        let document = self.document;
        for (name, value) in document.members(node) {
            if let Some(shape) = self.shape(value)? {
                if name.is_empty() {
                    return Err(NoSchema);
                }
                // Only what was renamed can have the name of another.
                if !document.renamed() || !self.has_field(mark, name) {
                    self.shapes.stack.push(Field { name, shape });
                }
            }
        }
        Ok(self.finish(mark, true))
    }

    /// Whether a field of this name lies on the stack from `mark` on.
    fn has_field(&self, mark: usize, name: Span) -> bool {
        let name = self.document.bytes(self.text, name);
        let mut fields = self.shapes.stack[mark..].iter();
        fields.any(|field| self.document.bytes(self.text, field.name) == name)
    }

    /// Makes a struct of what lies on the stack from `mark` on.
    fn finish(&mut self, mark: usize, optional: bool) -> Shape {
        let Shapes { fields, stack, .. } = self.shapes;
        let first = fields.len() as u32;
        fields.extend(stack.drain(mark..));
        Shape::Struct { first, end: fields.len() as u32, optional }
    }

    /// The shape of the elements of an array that has some.
    fn element(&mut self, array: u32) -> Result<Shape, NoSchema> {
        let document = self.document;
        let mut sample: Option<u32> = None;
        for item in document.items(array) {
            match (sample, document.node(item)) {
                (_, Node::Null) => {}
                (None, _) => sample = Some(item),
                (Some(sample), node) if is_alike(document.node(sample), node) => {}
                _ => return Err(NoSchema),
            }
        }
        match sample.map(|sample| (sample, document.node(sample))) {
            None if self.nulls => Ok(Shape::Bytes),
            None => Err(NoSchema),
            Some((_, Node::Object { .. })) => self.union(array),
            Some((sample, Node::Array { .. })) => {
                // The others may be of other types than the first.
                self.shapes.doubtful = true;
                self.shape(sample)?.ok_or(NoSchema)
            }
            Some((sample, _)) => self.shape(sample)?.ok_or(NoSchema),
        }
    }

    /// The struct of all members that the array's objects have: that of the first as long as all are the same.
    fn union(&mut self, array: u32) -> Result<Shape, NoSchema> {
        let document = self.document;
        let mut objects =
            document.items(array).filter(|item| matches!(document.node(*item), Node::Object { .. }));
        let first = self.object(objects.next().ok_or(NoSchema)?)?;
        let mut union: Option<Union<'i>> = None;
        for object in objects {
            if union.is_none() && self.is_as(first, object) {
                continue;
            }
            let marks = (self.shapes.fields.len(), self.shapes.elements.len());
            let next = self.object(object)?;
            let adopted = match &mut union {
                None if self.equal(first, next) => false,
                None => {
                    let mut begun = self.begin(first);
                    self.add(&mut begun, next);
                    union = Some(begun);
                    true
                }
                Some(union) => self.add(union, next),
            };
            if !adopted {
                self.shapes.fields.truncate(marks.0);
                self.shapes.elements.truncate(marks.1);
            }
        }
        let Some(union) = union else { return Ok(first) };
        self.shapes.doubtful = true;
        Ok(self.finish(union.mark, false))
    }

    /// Whether this would surely be inferred of the value, and nothing else: `false` where it takes more to know.
    fn is_as(&self, shape: Shape, node: u32) -> bool {
        let document = self.document;
        match (shape, document.node(node)) {
            (Shape::Text, Node::Text(_))
            | (Shape::Boolean, Node::Boolean(_))
            | (Shape::Int32, Node::Int(_))
            | (Shape::Int64, Node::Long(_))
            | (Shape::Float64, Node::Double(_)) => true,
            (Shape::Bytes, Node::Null) => self.nulls,
            (Shape::Array(element), Node::Array { end }) if end > node + 1 => {
                let element = self.shapes.element(element);
                let is_scalar = !matches!(element, Shape::Bytes | Shape::Array(_) | Shape::Struct { .. });
                is_scalar && document.items(node).all(|item| self.is_as(element, item))
            }
            (Shape::Struct { first, end, optional: true }, Node::Object { .. }) if !document.renamed() => {
                let mut fields = self.shapes.fields(first, end).iter();
                let is_field = |(name, value): (Span, u32)| {
                    fields.next().is_some_and(|field| {
                        document.bytes(self.text, field.name) == document.bytes(self.text, name)
                            && self.is_as(field.shape, value)
                    })
                };
                document.members(node).all(is_field) && fields.next().is_none()
            }
            _ => false,
        }
    }

    fn begin(&mut self, first: Shape) -> Union<'i> {
        let mut union = Union { mark: self.shapes.stack.len(), places: HashMap::new() };
        self.add(&mut union, first);
        union
    }

    /// Adds the fields of `next` that are not there; whether any of them was taken. A field that was NULL only yields.
    fn add(&mut self, union: &mut Union<'i>, next: Shape) -> bool {
        let Shape::Struct { first, end, .. } = next else { return false };
        let mut taken = false;
        for at in first..end {
            let field = self.shapes.fields[at as usize];
            let name = self.document.bytes(self.text, field.name);
            match self.place(union, name) {
                None => {
                    self.shapes.stack.push(field);
                    self.remember(union);
                    taken = true;
                }
                Some(place) => {
                    let known = &mut self.shapes.stack[union.mark + place];
                    if matches!(known.shape, Shape::Bytes) && !matches!(field.shape, Shape::Bytes) {
                        known.shape = field.shape;
                        taken = true;
                    }
                }
            }
        }
        taken
    }

    /// Keeps where each name is, once there are many.
    fn remember(&self, union: &mut Union<'i>) {
        let fields = &self.shapes.stack[union.mark..];
        if fields.len() > FEW {
            for (place, field) in fields.iter().enumerate().skip(union.places.len()) {
                union.places.insert(self.document.bytes(self.text, field.name), place);
            }
        }
    }

    /// Where among the union's fields the one of this name lies.
    fn place(&self, union: &Union<'i>, name: &[u8]) -> Option<usize> {
        let fields = &self.shapes.stack[union.mark..];
        if fields.len() > FEW {
            return union.places.get(name).copied();
        }
        fields.iter().position(|field| self.document.bytes(self.text, field.name) == name)
    }

    /// Whether two schemas are the same in everything, order included.
    fn equal(&self, left: Shape, right: Shape) -> bool {
        match (left, right) {
            (Shape::Array(left), Shape::Array(right)) => {
                self.equal(self.shapes.element(left), self.shapes.element(right))
            }
            (
                Shape::Struct { first, end, optional },
                Shape::Struct { first: other, end: other_end, optional: other_optional },
            ) => {
                let fields = self.shapes.fields(first, end).iter().zip(self.shapes.fields(other, other_end));
                optional == other_optional
                    && end - first == other_end - other
                    && fields.into_iter().all(|(left, right)| {
                        self.document.bytes(self.text, left.name)
                            == self.document.bytes(self.text, right.name)
                            && self.equal(left.shape, right.shape)
                    })
            }
            (left, right) => std::mem::discriminant(&left) == std::mem::discriminant(&right),
        }
    }
}

/// A struct being put together on the stack.
struct Union<'i> {
    /// Where its fields begin there.
    mark: usize,
    /// Where each name is, counted from there; of a few fields, none.
    places: HashMap<&'i [u8], usize>,
}

/// Whether an array may hold both: values of one JSON type, and numbers of one Connect type.
fn is_alike(left: Node, right: Node) -> bool {
    match (left, right) {
        (Node::Big | Node::Double(_), Node::Big | Node::Double(_)) => true,
        (left, right) => std::mem::discriminant(&left) == std::mem::discriminant(&right),
    }
}
