// Owns: a run's state in few bytes. Runs of one workflow are much alike, so the first one is the dictionary of the others.
import { constants, zstdCompressSync, zstdDecompressSync, type ZstdOptions } from 'node:zlib';
import { SignalboxError } from '../../api/errors.ts';
import type { StatePacking } from '../../core/journal/entries.ts';
import { initialState, type RunState } from '../../core/workflow/state.ts';

/** Workflows with a dictionary of their own; runs of others are larger. */
const dictionariesMax = 255;
const dictionaryBytesMax = 8_192;
const dictionaryOf = (state: RunState): string => JSON.stringify(state).slice(0, dictionaryBytesMax);

export function statePacking(): StatePacking {
  const dictionaries: Buffer[] = [];
  /** By workflow and where the run is: what is alike. */
  const numbers = new Map<string, number>();
  const numberFor = (state: RunState): number => {
    const kind = `${state.workflowDigest}/${state.state}`;
    const known = numbers.get(kind);
    if (known !== undefined) return known;
    if (dictionaries.length >= dictionariesMax) return 0;
    dictionaries.push(Buffer.from(dictionaryOf(state)));
    numbers.set(kind, dictionaries.length);
    return dictionaries.length;
  };
  return {
    pack(state) {
      const number = numberFor(state);
      const dictionary = dictionaries[number - 1];
      const text = Buffer.from(JSON.stringify(state));
      const packed = zstdCompressSync(text, optionsFor(text.length, dictionary));
      return Buffer.concat([Buffer.from([number]), packed]);
    },
    unpack(run, bytes) {
      const dictionary = dictionaries[(bytes[0] ?? 0) - 1];
      try {
        const text = zstdDecompressSync(bytes.subarray(1), dictionary === undefined ? {} : { dictionary }).toString();
        // What newer code knows of a run is there with its first value.
        return { ...initialState(run), ...(JSON.parse(text) as RunState) };
      } catch (cause) {
        throw new SignalboxError('JOURNAL_CORRUPT', `the packed state of run ${run} cannot be read`, { cause });
      }
    },
    dictionaries: () => dictionaries.map((dictionary) => dictionary.toString()),
    restore(texts) {
      dictionaries.length = 0;
      numbers.clear();
      for (const text of texts) {
        dictionaries.push(Buffer.from(text));
        const kind = kindOf(text);
        if (kind !== undefined) numbers.set(kind, dictionaries.length);
      }
    },
  };
}

/** A state is small: what is set up for large content costs more than packing it. */
const optionsFor = (bytes: number, dictionary: Buffer | undefined): ZstdOptions => ({
  params: { [constants.ZSTD_c_compressionLevel]: 1 },
  pledgedSrcSize: bytes,
  chunkSize: 2_048,
  ...(dictionary === undefined ? {} : { dictionary }),
});

function kindOf(text: string): string | undefined {
  try {
    const { workflowDigest, state } = JSON.parse(text) as RunState;
    return `${workflowDigest}/${state}`;
  } catch {
    // Cut off at the bound: good for reading what was packed with it.
    return undefined;
  }
}
