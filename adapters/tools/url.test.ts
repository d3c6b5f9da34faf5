import { describe, expect, test } from 'vitest';
import { fillUrl } from './url.ts';

const fields = { run: { id: 'r1' }, input: { tenant: 'a/b' } };
const filled = (template: string, args = {}): string => {
  const answer = fillUrl(template, fields, args);
  return answer.ok ? answer.url.href : answer.error;
};

describe('placeholders in the URL of a tool', () => {
  test('run and input fields are percent-encoded', () => {
    expect(filled('http://h/s/{run.id}/{input.tenant}')).toBe('http://h/s/r1/a%2Fb');
  });

  test('arguments fill the path and are named, so that they are not sent twice', () => {
    const answer = fillUrl('http://h/orders/{args.orderId}', fields, { orderId: '../7', count: 2 });
    expect(answer.ok && [answer.url.href, [...answer.used]]).toEqual(['http://h/orders/..%2F7', ['orderId']]);
  });

  test.each([
    ['an argument in the host', 'http://{args.host}/x', { host: 'evil' }, 'not the host'],
    ['an argument that is missing', 'http://h/{args.id}', {}, 'args lacks a text or number "id"'],
    ['an argument that leaves its place', 'http://h/{args.id}', { id: '..' }, 'must not be ".."'],
    ['an argument that is a list', 'http://h/{args.id}', { id: ['a'] }, 'lacks a text or number'],
  ])('%s is refused', (_what, template, args, words) => {
    expect(filled(template, args)).toContain(words);
  });
});
