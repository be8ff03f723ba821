import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js';
import type { Method, Type } from 'protobufjs/light.js';
import { boundedReader } from './bounded-reader.js';
import { root } from './gen/packages.js';

/** Decoded and plain messages look alike to grpc-js. */
type AnyMethodDefinition = MethodDefinition<object, object>;

const definitions = new Map<string, ServiceDefinition>();

/** What grpc-js needs to know of a service, by its full name, such as `google.bytestream.ByteStream`. */
export function serviceDefinition(fullName: string): ServiceDefinition {
  let definition = definitions.get(fullName);
  if (!definition) {
    const service = root.lookupService(fullName);
    definition = Object.fromEntries(
      service.methodsArray.map((method) => [lowerCamel(method.name), methodDefinition(fullName, method)]),
    );
    definitions.set(fullName, definition);
  }
  return definition;
}

function methodDefinition(serviceName: string, method: Method): AnyMethodDefinition {
  method.resolve();
  const { resolvedRequestType: requestType, resolvedResponseType: responseType } = method;
  if (!requestType || !responseType) throw new TypeError(`Method ${method.fullName} has no types`);
  return {
    path: `/${serviceName}/${method.name}`,
    originalName: lowerCamel(method.name),
    requestStream: method.requestStream ?? false,
    responseStream: method.responseStream ?? false,
    requestSerialize: serializerOf(requestType),
    requestDeserialize: (bytes) => requestType.decode(boundedReader(bytes)),
    responseSerialize: serializerOf(responseType),
    responseDeserialize: (bytes) => responseType.decode(bytes),
  };
}

function serializerOf(type: Type): (message: object) => Buffer {
  return (message) => {
    const bytes = type.encode(message).finish();
    // Under Node it is a Buffer already, and with it go megabytes: no second copy.
    return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  };
}

function lowerCamel(name: string): string {
  return name.charAt(0).toLowerCase() + name.slice(1);
}
