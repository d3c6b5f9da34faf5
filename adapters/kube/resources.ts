// Owns: nothing; the names of the kinds, for those that import the adapter anyway.
export * from '../../ports/resources.ts';
