// The kind ScenarioSuite as a CRD: it is not served yet, but its schema must be one that the API server takes.
import { expect, test } from 'vitest';
import { scenarioSuiteKind } from '../../api/v1alpha1/scenario-suite.ts';
import { crdYaml, objectSchema } from './crds.ts';

test('scenarios have a structural form', () => {
  const spec = objectSchema(scenarioSuiteKind).properties?.['spec'];
  const scenario = spec?.properties?.['scenarios']?.items;
  expect(scenario?.required).toEqual(expect.arrayContaining(['name', 'workflow', 'expect']));
  const assertion = scenario?.properties?.['expect']?.properties?.['world']?.items;
  expect(assertion?.properties?.['equals']).toEqual({
    description: expect.any(String),
    'x-kubernetes-preserve-unknown-fields': true,
  });
});

test('the CRD is no larger than etcd and the API server bear', () => {
  expect(crdYaml(scenarioSuiteKind).length).toBeLessThan(200_000);
});
