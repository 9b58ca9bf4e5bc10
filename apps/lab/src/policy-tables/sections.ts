import { abilitiesSection } from './abilities-section.js';
import { ablationSection } from './ablation-section.js';
import { enginesSection } from './engines-section.js';
import { goalsSection } from './goals-section.js';
import { hintSection } from './hint-section.js';
import { kneeSection } from './knee-section.js';
import { loadSection } from './load-section.js';
import { halfMemorySection, peopleSection } from './memory-sections.js';
import { mixedSection } from './mixed-section.js';
import type { Section } from './section.js';
import { sharedPromptSection } from './shared-prompt-section.js';
import { sensitivitySection } from './sensitivity-section.js';

/** The document, in its order. */
export const SECTIONS: readonly Section[] = [
  loadSection,
  kneeSection,
  halfMemorySection,
  peopleSection,
  hintSection,
  goalsSection,
  ablationSection,
  abilitiesSection,
  enginesSection,
  sensitivitySection,
  mixedSection,
  sharedPromptSection,
];
