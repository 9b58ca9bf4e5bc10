import type { handleServerStreamingCall, handleUnaryCall } from '@grpc/grpc-js';
import { type ErrorLogger, toGrpcStatus } from '@holdfast/platform';

/** A unary handler from a plain function: what it throws becomes the call's status, with details. */
export const unary =
  <Request, Response>(
    logger: ErrorLogger,
    answer: (request: Request) => Response,
  ): handleUnaryCall<Request, Response> =>
  (call, callback) => {
    try {
      callback(null, answer(call.request));
    } catch (error) {
      callback(toGrpcStatus(error, logger));
    }
  };

/** A server-streaming handler from a function that takes the call over: what it throws becomes the call's status. */
export const streaming =
  <Request, Response>(
    logger: ErrorLogger,
    serve: (call: Parameters<handleServerStreamingCall<Request, Response>>[0]) => void,
  ): handleServerStreamingCall<Request, Response> =>
  (call) => {
    try {
      serve(call);
    } catch (error) {
      call.emit('error', toGrpcStatus(error, logger));
    }
  };
