//! The order of a module's functions: what is alike lies together, so that gzip finds it.
//!
//! Copies of one generic function are nearly the same bytes, and so is what a derive makes of many types. Gzip looks back 32 KB,
//! about a hundredth of the module. So one function comes after another by how much it has in common with what stands in the
//! 32 KB before it.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::convert::Infallible;

use anyhow::{Context, Result};
use wasm_encoder::reencode::{self, Reencode};
use wasm_encoder::{CodeSection, FunctionSection, Module};
use wasmparser::{CodeSectionReader, FunctionSectionReader, Parser, Payload, TypeRef};

/// The bytes of a piece by which functions are compared. Of shorter ones there are too few different ones; longer ones often have the
/// number of another function in them.
const PIECE: usize = 8;

/// A piece that more functions have tells none of them from the others.
const COMMON: usize = 200;

/// How far gzip looks back, less what stands between functions.
const WINDOW: usize = 30_000;

/// The same module with its functions in another order. Its names are lost, if it has any.
pub(crate) fn together(module: &[u8]) -> Result<Vec<u8>> {
    let mut imported = 0;
    let mut bodies = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    imported += u32::from(matches!(import?.ty, TypeRef::Func(_) | TypeRef::FuncExact(_)));
                }
            }
            Payload::CodeSectionEntry(body) => bodies.push(body.as_bytes()),
            _ => {}
        }
    }
    let mut renumbered = Renumbered::new(imported, Sorting::new(&bodies).order());
    let mut sorted = Module::new();
    renumbered
        .parse_core_module(&mut sorted, Parser::new(0), module)
        .context("cannot write the module anew")?;
    Ok(sorted.finish())
}

/// A module with its functions in another order.
struct Renumbered {
    /// The functions that come before those of the module itself.
    imported: u32,
    /// The old places of the module's own functions, in their new order.
    order: Vec<usize>,
    /// The new places, in their old order.
    places: Vec<u32>,
}

impl Renumbered {
    fn new(imported: u32, order: Vec<usize>) -> Self {
        let mut places: Vec<(usize, u32)> = order.iter().copied().zip(0..).collect();
        places.sort_unstable();
        Self { imported, order, places: places.into_iter().map(|(_, place)| place).collect() }
    }

    /// What belongs to functions, in their new order.
    fn reordered<T>(&self, items: impl Iterator<Item = wasmparser::Result<T>>) -> wasmparser::Result<Vec<T>> {
        let mut items = items.map(|item| item.map(Some)).collect::<wasmparser::Result<Vec<_>>>()?;
        Ok(self.order.iter().filter_map(|old| items.get_mut(*old)?.take()).collect())
    }
}

impl Reencode for Renumbered {
    type Error = Infallible;

    fn function_index(&mut self, function: u32) -> Result<u32, reencode::Error> {
        let Some(own) = function.checked_sub(self.imported) else { return Ok(function) };
        let place = self.places.get(own as usize).ok_or(reencode::Error::InvalidCodeSectionSize)?;
        Ok(self.imported + place)
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: FunctionSectionReader<'_>,
    ) -> Result<(), reencode::Error> {
        for function_type in self.reordered(section.into_iter())? {
            functions.function(self.type_index(function_type)?);
        }
        Ok(())
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: CodeSectionReader<'_>,
    ) -> Result<(), reencode::Error> {
        for body in self.reordered(section.into_iter())? {
            self.parse_function_body(code, body)?;
        }
        Ok(())
    }
}

/// Functions that are being put in order.
struct Sorting {
    functions: Vec<Function>,
    pieces: Vec<Piece>,
    /// Functions that have something in common with the window, best first, each as of when that changed last and before.
    candidates: BinaryHeap<Candidate>,
}

/// A function, by its place in the old order.
struct Function {
    size: usize,
    /// What it has in common with others.
    pieces: Vec<usize>,
    /// How many of those are in the window.
    in_window: u32,
    is_placed: bool,
}

/// Bytes that several functions have in them.
struct Piece {
    functions: Vec<usize>,
    /// How many of the functions are in the window.
    in_window: u32,
}

/// What a function has in common with the window. Of two that are alike in that, the earlier one is better.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    worth: u64,
    function: Reverse<usize>,
    in_window: u32,
}

impl Sorting {
    fn new(bodies: &[&[u8]]) -> Self {
        let mut found: Vec<(&[u8], usize)> = Vec::new();
        for (number, body) in bodies.iter().enumerate() {
            found.extend(body.windows(PIECE).map(|piece| (piece, number)));
        }
        found.sort_unstable();
        found.dedup();
        let function =
            |body: &&[u8]| Function { size: body.len(), pieces: Vec::new(), in_window: 0, is_placed: false };
        let mut functions: Vec<Function> = bodies.iter().map(function).collect();
        let mut pieces = Vec::new();
        for alike in found.chunk_by(|(one, _), (other, _)| one == other) {
            if !(2..=COMMON).contains(&alike.len()) {
                continue;
            }
            let alike: Vec<usize> = alike.iter().map(|(_, number)| *number).collect();
            for number in &alike {
                functions
                    .get_mut(*number)
                    .into_iter()
                    .for_each(|function| function.pieces.push(pieces.len()));
            }
            pieces.push(Piece { functions: alike, in_window: 0 });
        }
        Self { functions, pieces, candidates: BinaryHeap::new() }
    }

    /// The old places in the new order.
    fn order(mut self) -> Vec<usize> {
        let mut order = Vec::with_capacity(self.functions.len());
        let mut window = VecDeque::new();
        let mut filled = 0;
        let mut rest = 0..self.functions.len();
        while let Some(next) = self.best().or_else(|| rest.find(|number| self.is_left(*number))) {
            order.push(next);
            window.push_back(next);
            filled += self.enters(next);
            while filled > WINDOW
                && let Some(first) = window.pop_front()
            {
                filled -= self.leaves(first);
            }
        }
        order
    }

    /// The function that has most in common with the window.
    fn best(&mut self) -> Option<usize> {
        while let Some(Candidate { function: Reverse(number), in_window, .. }) = self.candidates.pop() {
            if self.is_left(number) && self.functions.get(number)?.in_window == in_window {
                return Some(number);
            }
        }
        None
    }

    fn is_left(&self, number: usize) -> bool {
        self.functions.get(number).is_some_and(|function| !function.is_placed)
    }

    /// A function enters the window. Returns its size.
    fn enters(&mut self, number: usize) -> usize {
        let Some(function) = self.functions.get_mut(number) else { return 0 };
        function.is_placed = true;
        let size = function.size;
        for piece in function.pieces.clone() {
            let Some(piece) = self.pieces.get_mut(piece) else { continue };
            piece.in_window += 1;
            if piece.in_window == 1 {
                weigh(&mut self.functions, &piece.functions, &mut self.candidates, |count| count + 1);
            }
        }
        size
    }

    /// A function leaves the window. Returns its size.
    fn leaves(&mut self, number: usize) -> usize {
        let Some(function) = self.functions.get(number) else { return 0 };
        let size = function.size;
        for piece in function.pieces.clone() {
            let Some(piece) = self.pieces.get_mut(piece) else { continue };
            piece.in_window -= 1;
            if piece.in_window == 0 {
                weigh(&mut self.functions, &piece.functions, &mut self.candidates, |count| count - 1);
            }
        }
        size
    }
}

/// What is in the window of some functions changes by one piece.
fn weigh(
    functions: &mut [Function],
    numbers: &[usize],
    candidates: &mut BinaryHeap<Candidate>,
    change: impl Fn(u32) -> u32,
) {
    for number in numbers {
        let Some(function) = functions.get_mut(*number).filter(|function| !function.is_placed) else {
            continue;
        };
        function.in_window = change(function.in_window);
        if function.in_window > 0 {
            let (in_window, function) = (function.in_window, function.size);
            candidates.push(Candidate {
                worth: worth(in_window, function),
                function: Reverse(*number),
                in_window,
            });
        }
    }
}

/// What a function is worth: what of it is in the window, somewhat more if it is a large one.
fn worth(in_window: u32, size: usize) -> u64 {
    (f64::from(in_window) / (size as f64).powf(0.8) * 1e6) as u64
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use wasm_encoder::{
        ConstExpr, ElementSection, Elements, EntityType, ExportKind, ExportSection, ImportSection,
        Instruction, RefType, TableSection, TableType, TypeSection, ValType,
    };
    use wasmparser::{ElementItems, Operator};

    use super::*;

    #[test]
    fn what_is_alike_comes_together() {
        let bodies: Vec<Vec<u8>> =
            (0..4).flat_map(|number| [1, 2, 3].map(|kind| body(kind, number))).collect();
        let bodies: Vec<&[u8]> = bodies.iter().map(Vec::as_slice).collect();
        assert_eq!(Sorting::new(&bodies).order(), [0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11]);
    }

    /// Bytes of which one half is of their kind, and the other their own.
    fn body(kind: u8, number: u8) -> Vec<u8> {
        (0..20)
            .map(|at| kind * 30 + at)
            .chain((0..20).map(|at| (128 + (kind * 4 + number) * 7) ^ at))
            .collect()
    }

    #[test]
    fn functions_without_anything_in_common_keep_their_order() {
        let bodies: [&[u8]; 4] = [b"", b"short", b"something longer", b"quite another matter"];
        assert_eq!(Sorting::new(&bodies).order(), [0, 1, 2, 3]);
        assert_eq!(Sorting::new(&[]).order(), [0; 0]);
    }

    #[test]
    fn a_module_in_another_order_calls_names_and_holds_the_same_functions() {
        let module = module();
        let sorted = together(&module).unwrap();
        assert_ne!(sorted, module);
        assert_eq!(functions(&sorted), functions(&module));
        assert_eq!(together(&module).unwrap(), sorted, "always the same");
    }

    /// Functions of two kinds in turn, each of a type of its own kind, which call the next one, and the last one an imported one. No runtime would
    /// take it.
    fn module() -> Vec<u8> {
        const COUNT: u32 = 6;
        let (mut types, mut imports) = (TypeSection::new(), ImportSection::new());
        types.ty().function([], []);
        types.ty().function([], [ValType::I64]);
        imports.import("host", "imported", EntityType::Function(0));
        let (mut functions, mut code, mut exports) =
            (FunctionSection::new(), CodeSection::new(), ExportSection::new());
        for own in 0..COUNT {
            let kind = own % 2;
            functions.function(kind);
            exports.export(&format!("function {own}"), ExportKind::Func, own + 1);
            let mut body = wasm_encoder::Function::new([]);
            body.instruction(&Instruction::Call((own + 2) % (COUNT + 1)));
            body.instruction(&Instruction::I64Const(
                [0x0123_4567_89ab_cdef, 0x0fed_cba9_8765_4321][kind as usize],
            ));
            body.instruction(&Instruction::End);
            code.function(&body);
        }
        let mut tables = TableSection::new();
        let kept = TableType {
            element_type: RefType::FUNCREF,
            minimum: 9,
            maximum: None,
            table64: false,
            shared: false,
        };
        tables.table(kept);
        let mut elements = ElementSection::new();
        let all: Vec<u32> = (0..=COUNT).collect();
        elements.active(None, &ConstExpr::i32_const(0), Elements::Functions(all.as_slice().into()));
        let mut module = Module::new();
        module.section(&types).section(&imports).section(&functions).section(&tables).section(&exports);
        module.section(&elements).section(&code);
        module.finish()
    }

    /// What the names stand for: type, and instructions with names for numbers; under no name, the functions of the table.
    fn functions(module: &[u8]) -> BTreeMap<String, Vec<String>> {
        let (mut names, mut types, mut bodies, mut held) =
            (vec!["imported".to_owned()], vec![], vec![], vec![]);
        for payload in Parser::new(0).parse_all(module) {
            match payload.unwrap() {
                Payload::FunctionSection(section) => types.extend(section.into_iter().map(Result::unwrap)),
                Payload::ExportSection(section) => {
                    let mut exports: Vec<_> = section.into_iter().map(Result::unwrap).collect();
                    exports.sort_by_key(|export| export.index);
                    names.extend(exports.iter().map(|export| export.name.to_owned()));
                }
                Payload::ElementSection(section) => {
                    for element in section {
                        let ElementItems::Functions(functions) = element.unwrap().items else { continue };
                        held.extend(functions.into_iter().map(Result::unwrap));
                    }
                }
                Payload::CodeSectionEntry(body) => bodies.push(body),
                _ => {}
            }
        }
        let name = |function: u32| names[function as usize].clone();
        let shown = |operator| match operator {
            Operator::Call { function_index } => name(function_index),
            other => format!("{other:?}"),
        };
        let mut all = BTreeMap::new();
        for (own, (of, body)) in types.into_iter().zip(bodies).enumerate() {
            let mut read = vec![of.to_string()];
            read.extend(
                body.get_operators_reader().unwrap().into_iter().map(|operator| shown(operator.unwrap())),
            );
            all.insert(names[own + 1].clone(), read);
        }
        all.insert(String::new(), held.into_iter().map(name).collect());
        all
    }
}
