// Owns: which operands each function takes and what it gives: the evaluator's own table, in our types. A test holds it against
// the evaluator, combination by combination.
import { bool, dyn, int, listOf, scalar, type Scalar, string, type Type } from './type.ts';

/** `list` and `map` stand for any of them, `any` for every value. */
type Operand = Scalar | 'list' | 'map' | 'any';

export interface Overload {
  /** First the target, when it is called as a method. */
  readonly operands: readonly Operand[];
  readonly method: boolean;
  readonly result: Type;
}

const table = new Map<string, Overload[]>();

function add(name: string, operands: readonly Operand[], result: Type, method = false): void {
  table.set(name, [...(table.get(name) ?? []), { operands, result, method }]);
}
const method = (name: string, operands: readonly Operand[], result: Type): void => add(name, operands, result, true);

const numbers = ['int', 'uint', 'double'] as const;
const double = scalar('double');
const [duration, timestamp] = [scalar('duration'), scalar('timestamp')];

for (const name of ['_==_', '_!=_']) add(name, ['any', 'any'], bool);
add('!_', ['bool'], bool);
for (const name of ['_<_', '_<=_', '_>_', '_>=_']) {
  for (const same of ['bool', 'bytes', 'string', 'duration', 'timestamp'] as const) add(name, [same, same], bool);
  for (const left of numbers) for (const right of numbers) add(name, [left, right], bool);
}
for (const name of ['_+_', '_-_', '_*_', '_/_']) {
  for (const same of numbers) add(name, [same, same], scalar(same));
  add(name, ['int', 'double'], double);
  add(name, ['double', 'int'], double);
}
for (const same of ['int', 'uint'] as const) add('_%_', [same, same], scalar(same));
for (const same of ['int', 'double'] as const) add('-_', [same], scalar(same));
for (const same of ['string', 'bytes', 'duration'] as const) add('_+_', [same, same], scalar(same));
add('_+_', ['list', 'list'], listOf(dyn));
add('_+_', ['timestamp', 'duration'], timestamp);
add('_+_', ['duration', 'timestamp'], timestamp);
add('_-_', ['timestamp', 'timestamp'], duration);
add('_-_', ['duration', 'duration'], duration);
add('_-_', ['timestamp', 'duration'], timestamp);

add('@in', ['any', 'list'], bool);
for (const key of ['string', 'double', 'int', 'bool', 'uint'] as const) add('@in', [key, 'map'], bool);
for (const sized of ['bytes', 'list', 'string', 'map'] as const) {
  add('size', [sized], int);
  method('size', [sized], int);
}
for (const name of ['contains', 'endsWith', 'startsWith', 'matches']) method(name, ['string', 'string'], bool);

const casts: Readonly<Record<string, readonly Scalar[]>> = {
  int: ['int', 'uint', 'double', 'string', 'timestamp', 'duration'],
  uint: ['uint', 'int', 'double', 'string'],
  double: ['double', 'int', 'uint', 'string'],
  bool: ['bool', 'string'],
  bytes: ['bytes', 'string'],
  string: ['string', 'bool', 'int', 'uint', 'double', 'bytes', 'timestamp', 'duration'],
  timestamp: ['timestamp', 'string', 'int'],
  duration: ['duration', 'string', 'int'],
};
for (const [name, from] of Object.entries(casts)) for (const one of from) add(name, [one], scalar(name as Scalar));
add('type', ['any'], scalar('type'));
add('dyn', ['any'], dyn);

const dateParts = ['FullYear', 'Month', 'Date', 'DayOfMonth', 'DayOfWeek', 'DayOfYear'];
const timeParts = ['Seconds', 'Minutes', 'Hours', 'Milliseconds'];
for (const part of [...dateParts, ...timeParts]) {
  method(`get${part}`, ['timestamp'], int);
  method(`get${part}`, ['timestamp', 'string'], int);
}
for (const part of timeParts) method(`get${part}`, ['duration'], int);

method('charAt', ['string', 'int'], string);
for (const name of ['indexOf', 'lastIndexOf']) {
  method(name, ['string', 'string'], int);
  method(name, ['string', 'string', 'int'], int);
}
for (const name of ['lowerAscii', 'upperAscii', 'trim']) method(name, ['string'], string);
method('replace', ['string', 'string', 'string'], string);
method('replace', ['string', 'string', 'string', 'int'], string);
method('split', ['string', 'string'], listOf(string));
method('split', ['string', 'string', 'int'], listOf(string));
method('substring', ['string', 'int'], string);
method('substring', ['string', 'int', 'int'], string);
method('join', ['list'], string);
method('join', ['list', 'string'], string);
method('format', ['string', 'list'], string);

/** Undefined for a function that is not in the table: nothing is known of it. */
export const overloadsOf = (name: string): readonly Overload[] | undefined => table.get(name);
export const functionNames = (): readonly string[] => [...table.keys()];

/** Whether a value of the type is such an operand; undefined when only evaluation can tell. */
export function fits(type: Type, operand: Operand): boolean | undefined {
  if (operand === 'any') return true;
  switch (type.kind) {
    case 'dyn':
      return undefined;
    case 'scalar':
      return type.name === operand;
    case 'list':
      return operand === 'list';
    case 'map':
    case 'object':
      return operand === 'map';
    case 'union': {
      const verdicts = new Set(type.members.map((member) => fits(member, operand)));
      return verdicts.size === 1 ? [...verdicts][0] : undefined;
    }
  }
}
