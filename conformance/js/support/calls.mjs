// Which methods the SDK has, and which of them were called.
import { APIResource } from 'anchorbrowser/core/resource';
import { sdk } from './roadstead.mjs';

/** Everything that was called since this module was loaded, as `sessions.mouse.click`. */
export const called = new Set();

/** The name of every method of every resource, nested ones too, with the prototype that has it. */
export function methods() {
  const found = [];
  const visit = (path, resource) => {
    const owner = Object.getPrototypeOf(resource);
    for (const name of Object.getOwnPropertyNames(owner)) {
      if (name !== 'constructor') found.push([`${path}.${name}`, owner]);
    }
    visitAll(`${path}.`, resource);
  };
  const visitAll = (prefix, holder) => {
    for (const [name, value] of Object.entries(holder)) {
      if (value instanceof APIResource) visit(prefix + name, value);
    }
  };
  visitAll('', sdk());
  return found;
}

for (const [path, owner] of methods()) {
  const name = path.split('.').at(-1);
  const method = owner[name];
  owner[name] = function noted(...given) {
    called.add(path);
    return method.apply(this, given);
  };
}
