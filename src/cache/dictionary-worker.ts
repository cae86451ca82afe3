/** The file of the thread that learns a dictionary: it runs once, and ends. */
import { workerData } from "node:worker_threads";
import { Control } from "./control.ts";
import { type DictionaryJob, learn } from "./learn.ts";
import { publish, publishNone, samplesOf } from "./learner.ts";

const job = workerData as DictionaryJob;
const control = new Control(job.buffer, job.shape);
const dictionary = learn(samplesOf(control), job.codec, job.shape.dictionaryBytesMax);
if (dictionary === null) publishNone(control);
else publish(control, dictionary);
