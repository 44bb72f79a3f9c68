/** Drawn on 16 × 16, in the colour of the text around. */
const PATHS = {
  overview: 'M2.5 13.500v-4M6.200 13.500v-8M9.800 13.500v-5.500M13.5 13.500v-11',
  tasks: 'M2.5 4h1M2.5 8h1M2.5 12h1M6 4h7.500M6 8h7.500M6 12h7.5',
  submit: 'M8 3v10M3 8h10',
  flows:
    'M4 4.500h0M4 11.500h0M12 8h0M5.5 4.500c3 0 2 3.5 5 3.500M5.5 11.500c3 0 2-3.5 5-3.500M2.5 4.500a1.5 1.5 0 1 0 3 0a1.5 1.5 0 1 0-3 0M2.5 11.500a1.5 1.5 0 1 0 3 0a1.5 1.5 0 1 0-3 0M10.5 8a1.5 1.5 0 1 0 3 0a1.5 1.5 0 1 0-3 0',
  schedules: 'M8 4.500v3.500l2.5 1.500M2.5 8a5.5 5.5 0 1 0 11 0a5.5 5.5 0 1 0-11 0',
  workers: 'M3 3h10v4H3zM3 9h10v4H3zM5.5 5h0M5.5 11h0',
  keys: 'M8.5 8.500l5-5M11 6l1.5 1.500M2.5 11a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0-5 0M7 9.500l1.5-1',
  admin: 'M8 2l5 2v4c0 3-2 5-5 6c-3-1-5-3-5-6V4z',
  account: 'M5.5 5.500a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0-5 0M3 13.500c.5-2.800 2.5-4 5-4s4.5 1.200 5 4',
  search: 'M3 7a4 4 0 1 0 8 0a4 4 0 1 0-8 0M10 10l3.5 3.5',
  menu: 'M2.5 4.500h11M2.5 8h11M2.5 11.500h11',
  close: 'M4 4l8 8M12 4l-8 8',
  check: 'M3 8.500l3.5 3.500L13 4.5',
  copy: 'M5.5 5.500h8v8h-8zM10.5 5.500v-3h-8v8h3',
  up: 'M8 13V3.5M4 7.5L8 3.5L12 7.5',
  down: 'M8 3v9.5M4 8.5L8 12.5L12 8.5',
  chevron: 'M6 3.500L10.5 8L6 12.5',
  warning: 'M8 2.500l6 11H2zM8 6.500v3M8 11.500h0',
  sun: 'M5.5 8a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0-5 0M8 1.500v1.500M8 13v1.500M1.5 8H3M13 8h1.500M3.400 3.400l1 1M11.600 11.600l1 1M3.400 12.600l1-1M11.600 4.400l1-1',
  moon: 'M13 9.500A5.5 5.5 0 0 1 6.5 3a5.5 5.5 0 1 0 6.5 6.500z',
  system: 'M2.5 3h11v7.500h-11zM6 13.500h4M8 10.500v3',
  pause: 'M5.5 3.500v9M10.5 3.500v9',
  play: 'M5 3.500l7 4.500l-7 4.500z',
  retry: 'M13 8a5 5 0 1 1-1.5-3.500M13.200 2.500v2.500h-2.5',
  external: 'M6 3.500H3.500v9h9V10M9 2.500h4.500V7M13.200 2.800L7.5 8.5',
  logout: 'M6.5 2.500h-3v11h3M7 8h6.500M11 5.500L13.5 8L11 10.5',
} as const;

export type IconName = keyof typeof PATHS;

/** A picture that only repeats what the words beside it say. */
export const Icon = ({ name }: { name: IconName }) => (
  <svg
    width="16"
    height="16"
    viewBox="0 0 16 16"
    fill="none"
    stroke="currentColor"
    strokeWidth="1.5"
    strokeLinecap="round"
    strokeLinejoin="round"
    aria-hidden="true"
  >
    <path d={PATHS[name]} />
  </svg>
);
