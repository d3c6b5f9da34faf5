// Owns: what a signature of a bundle says, and whether one is good. It is an in-toto statement about two digests (the resolved
// content, and the spec alone) with its provenance, in a DSSE envelope signed with Ed25519: tools made for these read it.
//   S1: nothing of an envelope is looked at before one of the given keys has signed all of it.
//   S2: what cannot be read, or cannot be checked, is not signed.
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, concatBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import type { BundleSpec } from '../../api/v1alpha1/bundle.ts';
import { base64, fromBase64 } from '../canonical/base64.ts';
import { canonicalJson, digest } from '../canonical/canonical.ts';

/** Annotations of a Bundle, and of the Namespace that demands signatures. */
export const signatureAnnotations = {
  digest: 'signalbox.dev/digest',
  signature: 'signalbox.dev/signature',
  keys: 'signalbox.dev/bundle-keys',
} as const;

export interface Provenance {
  /** Where the files are, such as the URL of a repository. */
  readonly source?: string;
  readonly commit?: string;
}

const payloadType = 'application/vnd.in-toto+json';
const statementType = 'https://in-toto.io/Statement/v1';
const predicateType = 'https://signalbox.dev/provenance/v1';
const envelopeMax = 16_384;
const signaturesMax = 8;
const provenanceMax = 256;

/** `content`: `sha256:` and 64 hexadecimal digits. */
export function statementOf(content: string, spec: BundleSpec, provenance: Provenance): Uint8Array {
  const subject = [
    { name: 'content', digest: { sha256: content.replace(/^sha256:/, '') } },
    { name: 'spec', digest: { sha256: digest(spec).replace(/^sha256:/, '') } },
  ];
  const { source, commit } = provenance;
  return utf8ToBytes(canonicalJson({ _type: statementType, subject, predicateType, predicate: { source, commit } }));
}

/** What is signed: the payload with its type and both lengths (DSSE's pre-authentication encoding). */
export function signedBytes(type: string, payload: Uint8Array): Uint8Array {
  return concatBytes(utf8ToBytes(`DSSEv1 ${utf8ToBytes(type).length} ${type} ${payload.length} `), payload);
}

export const bytesToSign = (statement: Uint8Array): Uint8Array => signedBytes(payloadType, statement);

/** The annotation's text. `key`: the public key. */
export function envelopeOf(statement: Uint8Array, signature: Uint8Array, key: Uint8Array): string {
  const signatures = [{ keyid: fingerprint(key), sig: base64(signature) }];
  return canonicalJson({ payloadType, payload: base64(statement), signatures });
}

export const fingerprint = (key: Uint8Array): string => `sha256:${bytesToHex(sha256(key))}`;

/** Whether the signature is of the bytes by the key (DER, SubjectPublicKeyInfo). */
export type VerifyBytes = (key: Uint8Array, bytes: Uint8Array, signature: Uint8Array) => boolean;

export type SignatureVerdict =
  | { readonly ok: true; readonly key: string; readonly content: string; readonly provenance: Provenance }
  | { readonly ok: false; readonly why: string };

const refused = (why: string): SignatureVerdict => ({ ok: false, why });

/** `text`: of the annotation. The content it names has to be compared with what the bundle resolves to. */
export function checkSignature(
  text: string | undefined,
  spec: BundleSpec,
  keys: readonly Uint8Array[],
  verify: VerifyBytes,
): SignatureVerdict {
  if (text === undefined) return refused(`it has no annotation ${signatureAnnotations.signature}`);
  const envelope = readEnvelope(text);
  if (envelope === undefined) return refused(`annotation ${signatureAnnotations.signature} is no DSSE envelope`);
  const { payload, signatures } = envelope;
  const bytes = bytesToSign(payload);
  const key = keys.find((one) => signatures.some((signature) => verify(one, bytes, signature)));
  if (key === undefined) return refused(`no signature is by one of the ${keys.length} keys that are trusted`);
  const statement = readStatement(payload);
  if (statement === undefined) return refused('what is signed is no statement about a bundle');
  if (statement.spec !== digest(spec))
    return refused('what is signed is another spec: it was altered after it was signed');
  return { ok: true, key: fingerprint(key), content: statement.content, provenance: statement.provenance };
}

function readEnvelope(
  text: string,
): { readonly payload: Uint8Array; readonly signatures: readonly Uint8Array[] } | undefined {
  if (text.length > envelopeMax) return undefined;
  const envelope = parsed(text) as
    { readonly payloadType?: unknown; readonly payload?: unknown; readonly signatures?: unknown } | undefined;
  if (envelope?.payloadType !== payloadType || typeof envelope.payload !== 'string') return undefined;
  const payload = fromBase64(envelope.payload);
  const { signatures } = envelope;
  if (payload === undefined || !Array.isArray(signatures) || signatures.length > signaturesMax) return undefined;
  const read = signatures.flatMap((one: { readonly sig?: unknown } | null) => {
    const signature = typeof one?.sig === 'string' ? fromBase64(one.sig) : undefined;
    return signature === undefined ? [] : [signature];
  });
  return { payload, signatures: read };
}

interface Statement {
  readonly content: string;
  readonly spec: string;
  readonly provenance: Provenance;
}

function readStatement(payload: Uint8Array): Statement | undefined {
  const value = parsed(utf8(payload)) as
    | {
        readonly _type?: unknown;
        readonly predicateType?: unknown;
        readonly subject?: unknown;
        readonly predicate?: { readonly source?: unknown; readonly commit?: unknown };
      }
    | undefined;
  if (value?._type !== statementType || value.predicateType !== predicateType || !Array.isArray(value.subject)) {
    return undefined;
  }
  const subjects = value.subject as readonly {
    readonly name?: unknown;
    readonly digest?: { readonly sha256?: unknown };
  }[];
  const of = (name: string): string | undefined => {
    const [only, ...more] = subjects.filter((subject) => subject?.name === name);
    const found = only?.digest?.sha256;
    return more.length === 0 && typeof found === 'string' && /^[0-9a-f]{64}$/.test(found)
      ? `sha256:${found}`
      : undefined;
  };
  const [content, spec] = [of('content'), of('spec')];
  if (content === undefined || spec === undefined) return undefined;
  const { source, commit } = value.predicate ?? {};
  const provenance = { ...short('source', source), ...short('commit', commit) };
  return { content, spec, provenance };
}

const short = (name: keyof Provenance, value: unknown): Provenance =>
  typeof value === 'string' && value !== '' ? { [name]: value.slice(0, provenanceMax) } : {};

/** Empty for bytes that are no UTF-8. */
function utf8(bytes: Uint8Array): string {
  try {
    return decodeURIComponent(bytesToHex(bytes).replaceAll(/../g, '%$&'));
  } catch {
    return '';
  }
}

/** An object, or nothing. */
function parsed(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Keys that a namespace demands a signature by. */
export interface SignatureDemand {
  readonly keys: readonly Uint8Array[];
  /** Why the annotation cannot be read: then nothing is signed well enough. */
  readonly problem?: string;
}

const keysMax = 16;
/** SubjectPublicKeyInfo of an Ed25519 key: this, and 32 bytes. */
const ed25519Head = '302a300506032b6570032100';

/** Undefined: no signature is demanded. */
export function signatureDemand(annotations: Readonly<Record<string, string>>): SignatureDemand | undefined {
  const text = annotations[signatureAnnotations.keys];
  if (text === undefined) return undefined;
  const words = text.split(/[\s,]+/).filter((word) => word !== '');
  const keys = words.map(fromBase64);
  const good = keys.filter((key) => key !== undefined && isEd25519(key)) as readonly Uint8Array[];
  if (words.length > 0 && words.length <= keysMax && good.length === words.length) return { keys: good };
  const wrong = words.find((_, index) => !good.includes(keys[index] as Uint8Array)) ?? '';
  const found = words.length > keysMax ? `${words.length} keys` : `"${wrong.slice(0, 80)}"`;
  const problem = `metadata.annotations ${signatureAnnotations.keys}: found ${found}; allowed: 1 to ${keysMax} public Ed25519 keys, each as base64 of its DER`;
  return { keys: [], problem };
}

export const isEd25519 = (key: Uint8Array): boolean => key.length === 44 && bytesToHex(key).startsWith(ed25519Head);

type Annotations = Readonly<Record<string, string>> | undefined;

/** Undefined where the namespace demands no signature. */
export function signatureVerdict(
  namespace: Annotations,
  bundle: Annotations,
  spec: BundleSpec,
  verify: VerifyBytes,
): SignatureVerdict | undefined {
  const demand = signatureDemand(namespace ?? {});
  if (demand === undefined) return undefined;
  if (demand.problem !== undefined) return refused(demand.problem);
  return checkSignature(bundle?.[signatureAnnotations.signature], spec, demand.keys, verify);
}
