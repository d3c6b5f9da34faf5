// Owns: folding signals and attributes.
import type { IncomingEvent, KeptSignal } from '../../api/messages/incoming.ts';
import type { EventOf } from '../../api/messages/history.ts';
import type { RunState } from './state.ts';

type Folders = { readonly [T in IncomingEvent['type']]: (state: RunState, event: EventOf<T>) => RunState };

/** Ids by which a repeated signal or bus event is recognised: the newest of each. */
export const rememberedMax = 4_096;

export const incomingFolders: Folders = {
  SignalReceived: (state, { signal, id, payload }) => ({
    ...state,
    signals: [...state.signals, { signal, id, payload }],
    signalIds: [...state.signalIds, id].slice(-rememberedMax),
  }),
  SignalTaken: (state, { signal, id }) => {
    const taken = state.signals.find((kept) => kept.signal === signal && kept.id === id);
    if (taken === undefined) return state;
    return { ...state, result: taken.payload, signals: state.signals.filter((kept) => kept !== taken) };
  },
  AttributesSet: (state, { attributes }) => ({ ...state, attributes }),
};

/** The oldest signal of this name that nobody has taken. */
export const keptSignal = ({ signals }: RunState, signal: string | undefined): KeptSignal | undefined =>
  signal === undefined ? undefined : signals.find((kept) => kept.signal === signal);
