// Owns: the YAML library. Loaded with `import('./yaml.ts')` where it is needed: it costs a tenth of a second, and the library
// itself, being CommonJS, has no named exports once it is bundled on its own.
export { Document, LineCounter, parse, parseAllDocuments, stringify, visit } from 'yaml';
