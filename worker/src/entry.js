// What the runtime imports. Each event goes on to the module, and one whose memory broke is made anew before the next event.
//
// A panic, or another trap, leaves the module's memory in a state that no code may run in. The crate `worker` notes a panic in
// the state that it exports; a trap of another kind is an error that passes through here.

import { DurableObject, WorkerEntrypoint } from "cloudflare:workers";
import * as module from "./index.js";

const state = module.__worker_init_state();

// Of an error that crossed several calls of the module, all are of interest.
Error.stackTraceLimit = 100;

addEventListener("error", (event) => note(event.error));

function note(error) {
  if (error instanceof WebAssembly.RuntimeError) {
    console.error("The module broke:", error);
    state.criticalError = true;
  }
}

/** Makes the memory anew if it broke. Objects of an earlier memory are told by its number. */
function mend() {
  if (state.criticalError) {
    console.log("The module starts anew");
    module.__wbg_reset_state();
    state.criticalError = false;
    state.instanceId += 1;
  }
}

/** Runs one event and notes how it breaks. */
function guarded(event) {
  const broken = (error) => {
    note(error);
    throw error;
  };
  mend();
  try {
    const answer = event();
    return answer instanceof Promise ? answer.catch(broken) : answer;
  } catch (error) {
    return broken(error);
  }
}

/** A class of objects: an instance of the module's class, and another one for each new memory. */
function objects(Class) {
  class Durable extends DurableObject {
    #arguments;
    #instance;
    #memory;

    constructor(...given) {
      super(...given);
      this.#arguments = given;
      guarded(() => this.#current());
    }

    #current() {
      if (this.#memory !== state.instanceId) {
        this.#instance = new Class(...this.#arguments);
        this.#memory = state.instanceId;
      }
      return this.#instance;
    }

    static {
      for (const event of ["fetch", "alarm", "webSocketMessage", "webSocketClose", "webSocketError"]) {
        if (event in Class.prototype) {
          this.prototype[event] = function (...given) {
            return guarded(() => this.#current()[event](...given));
          };
        }
      }
    }
  }
  return Durable;
}

export const CutoffObject = objects(module.CutoffObject);
export const DirectoryObject = objects(module.DirectoryObject);
export const UserObject = objects(module.UserObject);

export default class extends WorkerEntrypoint {
  fetch(request) {
    return guarded(() => module.fetch(request, this.env, this.ctx));
  }
}
