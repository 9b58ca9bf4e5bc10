import { stop } from './served-model.mjs';

export default stop;
