// Compares values with the official client's own TypeScript types.
// node shapes.cjs: lists the client's methods, as the compiler knows them: {"chat.getMessages": true, …}
// node shapes.cjs VALUES.json, [[name, type, value], …]: prints {name: [problem, …]} as JSON; no problem, no name.
// A type is written in TypeScript; Api is the client's class, Events the objects of its events.
const { readFileSync } = require('fs');
const path = require('path');
const ts = require('typescript');

const CLIENT = '@periskope/periskope-client';
const HEAD = `
import type { PeriskopeApi as Api } from '${CLIENT}';
import type { EventPayloads as Events } from '${CLIENT}/dist/types/eventTypes';
type Data<F> = F extends (...given: any[]) => Promise<infer R> ? (R extends { data: infer D } ? D : never) : never;
`;

function compile(declarations) {
  const file = path.join(__dirname, 'wanted.ts');
  const options = { strict: true, noEmit: true, skipLibCheck: true, target: ts.ScriptTarget.ES2022, types: ['node'],
    module: ts.ModuleKind.CommonJS, moduleResolution: ts.ModuleResolutionKind.Node10 };
  const host = ts.createCompilerHost(options);
  const read = host.getSourceFile.bind(host);
  const text = HEAD + declarations;
  host.getSourceFile = (name, ...rest) =>
    name === file ? ts.createSourceFile(name, text, options.target, true) : read(name, ...rest);
  const program = ts.createProgram([file], options, host);
  const source = program.getSourceFile(file);
  const wrong = program.getSemanticDiagnostics(source).map((d) => ts.flattenDiagnosticMessageText(d.messageText, ' '));
  if (wrong.length) throw new Error(wrong.join('\n'));
  const types = new Map();
  const checker = program.getTypeChecker();
  source.forEachChild((node) => {
    if (ts.isTypeAliasDeclaration(node)) types.set(node.name.text, checker.getTypeAtLocation(node.name));
  });
  return { checker, types, source };
}

function methods() {
  const { checker, types, source } = compile('type Whole = Api;');
  const found = {};
  for (const part of checker.getPropertiesOfType(types.get('Whole'))) {
    const type = checker.getTypeOfSymbolAtLocation(part, source);
    if (type.getCallSignatures().length) found[part.name] = true;
    else if (type.isClass() || type.objectFlags & ts.ObjectFlags.Class)
      for (const method of checker.getPropertiesOfType(type))
        if (checker.getTypeOfSymbolAtLocation(method, source).getCallSignatures().length)
          found[`${part.name}.${method.name}`] = true;
  }
  return found;
}

const F = ts.TypeFlags;

/** What keeps a value from being of a type, with the places in the value; nothing when it is. */
function problems(checker, source, type, value, place) {
  if (type.flags & (F.Any | F.Unknown)) return [];
  if (type.isUnion()) {
    const tried = type.types.map((one) => problems(checker, source, one, value, place));
    if (tried.some((found) => !found.length)) return [];
    const fits = type.types.findIndex((one) => kindOf(checker, one) === kindOfValue(value));
    return fits >= 0 ? tried[fits] : [`${place}: ${shown(value)} is not ${checker.typeToString(type)}`];
  }
  if (type.isIntersection()) return type.types.flatMap((one) => problems(checker, source, one, value, place));
  const wrong = [`${place}: ${shown(value)} is not ${checker.typeToString(type)}`];
  if (type.flags & F.Literal)
    return (type.flags & F.BooleanLiteral ? checker.typeToString(type) === String(value) : type.value === value) ? [] : wrong;
  if (kindOf(checker, type) !== kindOfValue(value)) return wrong;
  if (!(type.flags & F.Object)) return [];
  if (Array.isArray(value)) {
    const of = checker.getTypeArguments(type)[0];
    return value.flatMap((one, at) => problems(checker, source, of, one, `${place}[${at}]`));
  }
  return ofObject(checker, source, type, value, place);
}

function ofObject(checker, source, type, value, place) {
  const found = [];
  const known = new Set();
  for (const property of checker.getPropertiesOfType(type)) {
    known.add(property.name);
    const wanted = checker.getTypeOfSymbolAtLocation(property, source);
    if (property.name in value) found.push(...problems(checker, source, wanted, value[property.name], `${place}.${property.name}`));
    else if (!(property.flags & ts.SymbolFlags.Optional)) found.push(`${place}.${property.name} is missing`);
  }
  const rest = checker.getIndexInfosOfType(type)[0];
  for (const name of rest ? Object.keys(value) : [])
    if (!known.has(name)) found.push(...problems(checker, source, rest.type, value[name], `${place}.${name}`));
  return found;
}

function kindOf(checker, type) {
  if (type.flags & (F.Undefined | F.Void)) return 'undefined';
  if (type.flags & F.Null) return 'null';
  if (type.flags & F.StringLike) return 'string';
  if (type.flags & F.NumberLike) return 'number';
  if (type.flags & F.BooleanLike) return 'boolean';
  return checker.isArrayType(type) ? 'array' : 'object';
}

function kindOfValue(value) {
  return value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value;
}

function shown(value) {
  return (JSON.stringify(value) ?? 'undefined').slice(0, 60);
}

if (process.argv.length < 3) process.stdout.write(JSON.stringify(methods()));
else {
  const asked = JSON.parse(readFileSync(process.argv[2], 'utf8'));
  const { checker, types, source } = compile(asked.map(([, type], at) => `type T${at} = ${type};`).join('\n'));
  const told = {};
  asked.forEach(([name, , value], at) => {
    const found = problems(checker, source, types.get(`T${at}`), value === null ? undefined : value, 'data');
    // Many rows of a list tell the same.
    const few = [...new Set(found.map((one) => one.replace(/\[\d+\]/g, '[]')))];
    if (few.length) told[name] = few;
  });
  process.stdout.write(JSON.stringify(told));
}
