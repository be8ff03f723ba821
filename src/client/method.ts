import type { MethodDefinition } from '@grpc/grpc-js';
import type { bgdadmin, bytestream, longrunning, reapi, rwapi, wellknown } from '../proto/index.js';
import { serviceDefinition } from '../proto/service-definition.js';
import { serviceNames } from '../proto/wire-names.js';

/** A method of a service with the types of its messages; looked up when it is first called. */
export type Method<Request extends object, Response extends object> = () => MethodDefinition<Request, Response>;

function method<Request extends object, Response extends object>(
  service: string,
  name: string,
): Method<Request, Response> {
  return () => {
    const definition = serviceDefinition(service)[name];
    if (!definition) throw new TypeError(`Service ${service} has no method ${name}`);
    return definition;
  };
}

const { capabilities, cas, actionCache, execution, operations, bots, byteStream, admin } = serviceNames;

/** The methods that this library calls. */
export const methods = {
  getCapabilities: method<reapi.GetCapabilitiesRequest.$Properties, reapi.ServerCapabilities>(
    capabilities,
    'getCapabilities',
  ),

  findMissingBlobs: method<reapi.FindMissingBlobsRequest.$Properties, reapi.FindMissingBlobsResponse>(
    cas,
    'findMissingBlobs',
  ),
  batchReadBlobs: method<reapi.BatchReadBlobsRequest.$Properties, reapi.BatchReadBlobsResponse>(cas, 'batchReadBlobs'),
  batchUpdateBlobs: method<reapi.BatchUpdateBlobsRequest.$Properties, reapi.BatchUpdateBlobsResponse>(
    cas,
    'batchUpdateBlobs',
  ),

  read: method<bytestream.ReadRequest.$Properties, bytestream.ReadResponse>(byteStream, 'read'),
  write: method<bytestream.WriteRequest.$Properties, bytestream.WriteResponse>(byteStream, 'write'),
  queryWriteStatus: method<bytestream.QueryWriteStatusRequest.$Properties, bytestream.QueryWriteStatusResponse>(
    byteStream,
    'queryWriteStatus',
  ),

  getActionResult: method<reapi.GetActionResultRequest.$Properties, reapi.ActionResult>(actionCache, 'getActionResult'),
  updateActionResult: method<reapi.UpdateActionResultRequest.$Properties, reapi.ActionResult>(
    actionCache,
    'updateActionResult',
  ),

  execute: method<reapi.ExecuteRequest.$Properties, longrunning.Operation>(execution, 'execute'),
  waitExecution: method<reapi.WaitExecutionRequest.$Properties, longrunning.Operation>(execution, 'waitExecution'),

  listOperations: method<longrunning.ListOperationsRequest.$Properties, longrunning.ListOperationsResponse>(
    operations,
    'listOperations',
  ),
  getOperation: method<longrunning.GetOperationRequest.$Properties, longrunning.Operation>(operations, 'getOperation'),
  waitOperation: method<longrunning.WaitOperationRequest.$Properties, longrunning.Operation>(
    operations,
    'waitOperation',
  ),
  cancelOperation: method<longrunning.CancelOperationRequest.$Properties, wellknown.Empty>(
    operations,
    'cancelOperation',
  ),
  deleteOperation: method<longrunning.DeleteOperationRequest.$Properties, wellknown.Empty>(
    operations,
    'deleteOperation',
  ),

  createBotSession: method<rwapi.CreateBotSessionRequest.$Properties, rwapi.BotSession>(bots, 'createBotSession'),
  updateBotSession: method<rwapi.UpdateBotSessionRequest.$Properties, rwapi.BotSession>(bots, 'updateBotSession'),

  deleteActionResult: method<bgdadmin.DeleteActionResultRequest.$Properties, bgdadmin.DeleteActionResultResponse>(
    admin,
    'deleteActionResult',
  ),
  getCasStats: method<bgdadmin.GetCasStatsRequest.$Properties, bgdadmin.CasStats>(admin, 'getCasStats'),
  getOperationDetails: method<bgdadmin.GetOperationDetailsRequest.$Properties, bgdadmin.OperationDetails>(
    admin,
    'getOperationDetails',
  ),
  requeueOperation: method<bgdadmin.RequeueOperationRequest.$Properties, bgdadmin.RequeueOperationResponse>(
    admin,
    'requeueOperation',
  ),
  listBots: method<bgdadmin.ListBotsRequest.$Properties, bgdadmin.ListBotsResponse>(admin, 'listBots'),
  drainBot: method<bgdadmin.DrainBotRequest.$Properties, bgdadmin.DrainBotResponse>(admin, 'drainBot'),
} as const;
