// Owns: applying YAML files to the API server as they stand. Which resource a kind is comes from discovery.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { SignalboxError } from '../../api/errors.ts';
import type { Kube, KubeObject, Resource } from '../../ports/kube.ts';

export const fieldManager = 'signalbox-up';

/** Every object of every `.yaml` file in the folder, in the order of file names; empty when there is no folder. */
export async function readManifests(folder: string): Promise<readonly KubeObject[]> {
  const names = await readdir(folder).catch(() => [] as string[]);
  const objects: KubeObject[] = [];
  for (const name of names.filter((file) => file.endsWith('.yaml')).toSorted()) {
    const path = join(folder, name);
    for (const document of parseAllDocuments(await readFile(path, 'utf8'))) {
      if (document.errors.length > 0) {
        throw new SignalboxError('MANIFEST_INVALID', `${path} is no valid YAML: ${document.errors[0]?.message}`);
      }
      const object = document.toJS() as KubeObject | null;
      if (object !== null) objects.push(object);
    }
  }
  return objects;
}

interface ResourceList {
  readonly resources: readonly { readonly name: string; readonly kind: string; readonly namespaced: boolean }[];
}

/** Looks kinds up at the API server and remembers each group's answer. */
export class Discovery {
  readonly #kube: Kube;
  readonly #lists = new Map<string, Promise<ResourceList>>();

  constructor(kube: Kube) {
    this.#kube = kube;
  }

  async resourceOf(object: KubeObject): Promise<Resource> {
    const { apiVersion, kind } = object;
    const [version = '', group = ''] = apiVersion.split('/').toReversed();
    const path = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
    const { resources } = await this.#list(path);
    const found = resources.find((resource) => resource.kind === kind && !resource.name.includes('/'));
    if (found === undefined) {
      this.#lists.delete(path);
      throw new SignalboxError('MANIFEST_INVALID', `The API server has no kind ${kind} in ${apiVersion}.`);
    }
    return { group, version, kind, plural: found.name, namespaced: found.namespaced };
  }

  #list(path: string): Promise<ResourceList> {
    let list = this.#lists.get(path);
    if (list === undefined) {
      list = this.#kube.raw(path).then(({ status, body }) => {
        if (status !== 200) throw new SignalboxError('MANIFEST_INVALID', `The API server does not serve ${path}.`);
        return JSON.parse(body) as ResourceList;
      });
      list.catch(() => this.#lists.delete(path));
      this.#lists.set(path, list);
    }
    return list;
  }
}

/**
 * Server-side apply of each object in order, taking fields over: `up` owns what it ships. A namespaced object without a
 * namespace goes into `namespace`. Returns the objects as they were applied.
 */
export async function applyAll(
  kube: Kube,
  objects: readonly KubeObject[],
  namespace: string,
): Promise<readonly KubeObject[]> {
  const discovery = new Discovery(kube);
  const placed: KubeObject[] = [];
  for (const object of objects) {
    const resource = await discovery.resourceOf(object);
    const metadata = resource.namespaced ? { namespace, ...object.metadata } : object.metadata;
    placed.push({ ...object, metadata });
    await kube.apply(resource, { ...object, metadata }, { fieldManager, force: true });
  }
  return placed;
}
