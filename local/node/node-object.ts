// Owns: the Node object `local` and its heartbeat Lease.
import { cpus, totalmem } from 'node:os';
import type { Kube, KubeObject } from '../../ports/kube.ts';
import { LEASE, NODE } from '../../ports/resources.ts';
import { machine } from '../assets/binaries.ts';
import { kubeletPort } from './kubelet-door.ts';

export const nodeName = 'local';
const fieldManager = 'signalbox-local-node';
const leaseSeconds = 40;
const podsMax = 250;

/** Makes or repairs the Node and its status. */
export async function registerNode(kube: Kube, version: string, address: string, now: Date): Promise<void> {
  const { os, arch } = machine();
  const labels = { 'kubernetes.io/hostname': nodeName, 'kubernetes.io/os': os, 'kubernetes.io/arch': arch };
  const head = { apiVersion: 'v1', kind: 'Node', metadata: { name: nodeName, labels } };
  await kube.apply(NODE, head, { fieldManager, force: true });
  const time = now.toISOString().replace(/\.\d+Z$/, 'Z');
  const room = { cpu: String(cpus().length), memory: `${Math.floor(totalmem() / 1024)}Ki`, pods: String(podsMax) };
  const status: KubeObject = {
    ...head,
    metadata: { name: nodeName },
    status: {
      capacity: room,
      allocatable: room,
      addresses: [
        { type: 'InternalIP', address },
        { type: 'Hostname', address: nodeName },
      ],
      daemonEndpoints: { kubeletEndpoint: { Port: kubeletPort } },
      conditions: [
        {
          type: 'Ready',
          status: 'True',
          reason: 'LocalNodeReady',
          message: 'the local node runs Pods of our image as processes',
          lastHeartbeatTime: time,
          lastTransitionTime: time,
        },
      ],
      nodeInfo: {
        architecture: arch,
        operatingSystem: os,
        kubeletVersion: `signalbox-${version}`,
        kubeProxyVersion: '',
        containerRuntimeVersion: `process://${process.versions.node}`,
        kernelVersion: '',
        osImage: 'host',
        bootID: '',
        machineID: '',
        systemUUID: '',
      },
    },
  };
  await kube.apply(NODE, status, { fieldManager, force: true, subresource: 'status' });
}

/** Says that this node lives; every quarter of the Lease's duration is often enough. */
export async function renewNodeLease(kube: Kube, now: Date): Promise<void> {
  await kube.apply(
    LEASE,
    {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name: nodeName, namespace: 'kube-node-lease' },
      // MicroTime wants exactly six digits.
      spec: {
        holderIdentity: nodeName,
        leaseDurationSeconds: leaseSeconds,
        renewTime: now.toISOString().replace('Z', '000Z'),
      },
    },
    { fieldManager, force: true },
  );
}
