// Owns: the life of a Bundle: resolved once, published, kept while anybody needs it.
//   I1: a published bundle never changes. What was resolved is read back from the ConfigMap, else from the catalog; only a
//       bundle that was never published is resolved from what its references say now.
//   I2: where the namespace demands a signature, nothing is published that it does not fit: content, spec and key. What was
//       published before stays: a rollback must be possible when keys have changed.
//   I3: it goes when neither its agent nor an open run needs it.
import type { ResolvedBundle } from '../../api/messages/catalog.ts';
import type { BundleStatus } from '../../api/v1alpha1/bundle.ts';
import { catalogKeys } from '../../api/messages/subjects.ts';
import { missingParts, type Parts, resolve } from '../../core/bundle/resolve.ts';
import { signatureAnnotations, type SignatureVerdict } from '../../core/bundle/signature.ts';
import type { Instant } from '../../ports/system.ts';
import { BUNDLE, CONFIG_MAP } from '../../ports/resources.ts';
import { type BusCommand, publish, withdraw } from '../catalog/commands.ts';
import { faults, type Findings, resolved } from '../catalog/findings.ts';
import { hasFinalizer, isDeleting, isOwnedBy, managed, ownerOf } from '../catalog/labels.ts';
import type { BundleObject, CatalogEntry, ConfigMapObject } from '../catalog/objects.ts';
import {
  accepted,
  listed,
  notAccepted,
  ready,
  reconciling,
  stalled,
  told,
  type Verdict,
  waiting,
} from '../catalog/verdict.ts';
import type { Command, Intent, Plan } from '../controller/plan.ts';
import type { Finding } from '../controller/status.ts';
import { sealed, unsealed } from './sealed.ts';

export interface BundleObserved {
  readonly root: BundleObject;
  readonly findings: Findings;
  readonly parts: Parts;
  /** Named objects that failed their own checks. */
  readonly unsound: readonly string[];
  /** The ConfigMap `bundle-<name>`, whoever made it. */
  readonly configMap?: ConfigMapObject | undefined;
  /** Entry of `status.digest`. */
  readonly published?: CatalogEntry | undefined;
  /** Another Bundle has the same digest: the catalog entry is shared. */
  readonly shared: boolean;
  /** Why it is still needed, in words. */
  readonly neededBy?: string | undefined;
  /** What came of the signature; undefined where the namespace demands none. */
  readonly signature?: SignatureVerdict | undefined;
  /** Entry of the digest that would be published now. */
  readonly entryOf: (digest: string) => CatalogEntry | undefined;
}

type BundlePlan = Plan<BusCommand>;
const DELETE_AGAIN_MS = 10_000;

export const configMapName = (bundle: string): string => `bundle-${bundle}`;

export function planBundle(observed: BundleObserved, now: Instant): BundlePlan {
  const { root } = observed;
  if (isDeleting(root)) return planRemoval(observed, now);
  if (!hasFinalizer(root)) return { commands: [finalizer(root, true)] };
  const { configMap } = observed;
  if (configMap !== undefined && !isOwnedBy(configMap, root)) return planForeignConfigMap(root, configMap, now);
  const content = unsealed(configMap?.data) ?? fromCatalog(observed.published) ?? resolve(root, observed.parts);
  const refused = refusal(observed, content);
  if (refused !== undefined) {
    return {
      commands: [],
      ...told(
        root,
        { verdict: refused, more: [notAccepted(refused), ...resolved(observed.findings)], fields: kept(root) },
        now,
      ),
    };
  }
  return planPublished(observed, content as ResolvedBundle, now);
}

function planPublished(observed: BundleObserved, content: ResolvedBundle, now: Instant): BundlePlan {
  const { root } = observed;
  const key = catalogKeys.bundle(content.digest);
  const entry = observed.entryOf(content.digest);
  const verdict = ready('Published', `Published as ${content.digest}; it will never change.`);
  const fields = {
    digest: content.digest,
    tools: Object.entries(content.tools).map(([name, { digest }]) => ({ name, digest })),
    ...provenanceOf(observed),
  };
  return {
    commands: [
      { kind: 'apply', resource: CONFIG_MAP, object: configMapOf(root, content) },
      // Two bundles of the same content share one entry: whoever came first wrote it.
      ...(fromCatalog(entry)?.digest === content.digest ? [] : publish(key, content, entry)),
    ],
    ...told(
      root,
      {
        verdict,
        more: [accepted('It is sound and published.'), ...resolved(observed.findings), ...drift(observed, content)],
        fields,
      },
      now,
    ),
  };
}

/** Why nothing can be published, if so. */
function refusal(observed: BundleObserved, content: ResolvedBundle | undefined): Verdict | undefined {
  const { root, findings, parts, unsound } = observed;
  const digest = root.status?.digest;
  if (content === undefined || digest === undefined) {
    const fault = faults(findings);
    if (fault !== undefined) return fault;
  }
  if (content === undefined) {
    const missing = listed(missingParts(root.spec, parts));
    return waiting('ReferenceNotAccepted', `${missing} cannot be resolved; create what is missing.`);
  }
  if (digest !== undefined && content.digest !== digest) {
    return stalled(
      'ContentLost',
      `The content of ${digest} is gone from its ConfigMap and the catalog, and its tools or models have changed since ` +
        `(they would give ${content.digest}). Create a new Bundle and point the Agent at it.`,
    );
  }
  if (digest !== undefined) return undefined;
  if (unsound.length > 0) {
    return waiting('ReferenceNotAccepted', `${listed(unsound)} failed the checks; see the conditions there.`);
  }
  return foreign(observed, content);
}

/** Why a new bundle is not the one that was built or signed, if so. */
function foreign({ root, signature }: BundleObserved, content: ResolvedBundle): Verdict | undefined {
  if (signature !== undefined && !signature.ok) {
    return stalled(
      'SignatureRefused',
      `The namespace demands a signature (annotation ${signatureAnnotations.keys}), and ${signature.why}. ` +
        'Sign the bundle with signalbox bundle sign, and create it again.',
    );
  }
  const { [signatureAnnotations.digest]: built } = root.metadata.annotations ?? {};
  const wanted = [built, signature?.content].find((one) => one !== undefined && one !== content.digest);
  if (wanted === undefined) return undefined;
  return waiting(
    'ContentMismatch',
    `It was built or signed as ${wanted}, and the Tools and Models of this namespace make it ${content.digest}. ` +
      'Apply the Tools and Models that it was built with, or build it again with those that are here.',
  );
}

/** Checked once, when it was published. */
function provenanceOf({ root, signature }: BundleObserved): Pick<BundleStatus, 'provenance'> {
  const { status } = root;
  if (status?.digest !== undefined) return status.provenance === undefined ? {} : { provenance: status.provenance };
  return signature?.ok === true ? { provenance: { key: signature.key, ...signature.provenance } } : {};
}

/** What a new Bundle of the same spec would be made of, if that is something else by now. */
function drift({ root, parts }: BundleObserved, content: ResolvedBundle): readonly Finding[] {
  const current = resolve(root, parts);
  if (current?.digest === content.digest) return [];
  const changed = [
    ...Object.keys({ ...content.tools, ...current?.tools })
      .filter((name) => current?.tools[name]?.digest !== content.tools[name]?.digest)
      .map((name) => `Tool ${name}`),
    ...Object.keys(content.models)
      .filter((name) => current?.models[name]?.digest !== content.models[name]?.digest)
      .map((name) => `Model ${name}`),
  ];
  const gone = missingParts(root.spec, parts);
  const what =
    current === undefined ? `${listed(gone)} ${gone.length > 1 ? 'are' : 'is'} gone` : `${listed(changed)} changed`;
  return [
    {
      type: 'Drifted',
      status: 'True',
      reason: 'ContentChanged',
      message: `${what} after this bundle was published; it keeps what it was made of. Create a new Bundle to use the change.`,
    },
  ];
}

function planRemoval(observed: BundleObserved, now: Instant): BundlePlan {
  const { root, neededBy, published, shared } = observed;
  if (!hasFinalizer(root)) return { commands: [] };
  if (neededBy !== undefined) {
    const verdict = reconciling('Deleting', `Being deleted, but still needed: ${neededBy}.`);
    return { commands: [], ...told(root, { verdict, fields: kept(root) }, now), requeueAfterMs: DELETE_AGAIN_MS };
  }
  const digest = root.status?.digest;
  const commands = digest === undefined || shared ? [] : withdraw(catalogKeys.bundle(digest), published);
  return { commands: [...commands, finalizer(root, false)] };
}

/** Left by a Bundle of the same name that was deleted just now, or made by somebody else. */
function planForeignConfigMap(root: BundleObject, configMap: ConfigMapObject, now: Instant): BundlePlan {
  const { name, namespace = '', uid = '' } = configMap.metadata;
  const verdict = reconciling('Published', `ConfigMap ${name} belongs to something else and is being replaced.`);
  const key = { namespace, name };
  return {
    commands: [{ kind: 'delete', resource: CONFIG_MAP, key, uid }],
    ...told(root, { verdict, fields: kept(root) }, now),
    requeueAfterMs: 500,
  };
}

function configMapOf(root: BundleObject, content: ResolvedBundle): Intent {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name: configMapName(root.metadata.name),
      namespace: root.metadata.namespace ?? '',
      labels: managed,
      ownerReferences: [ownerOf(root)],
    },
    immutable: true,
    data: sealed(content),
  };
}

const fromCatalog = (entry: CatalogEntry | undefined): ResolvedBundle | undefined =>
  entry?.value as ResolvedBundle | undefined;

/** What an earlier status said stays true: a published digest is never taken back. */
const kept = ({ status }: BundleObject) => ({
  ...(status?.digest === undefined ? {} : { digest: status.digest }),
  ...(status?.tools === undefined ? {} : { tools: status.tools }),
  ...(status?.provenance === undefined ? {} : { provenance: status.provenance }),
});

const finalizer = (object: BundleObject, present: boolean): Command => ({
  kind: 'finalizer',
  resource: BUNDLE,
  object,
  present,
});
