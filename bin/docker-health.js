// The health check of the image, which has no curl: is the process of this container ready?
const { METRICS_PORT, PORT } = process.env;
fetch(`http://127.0.0.1:${METRICS_PORT || PORT || 4000}/readyz`, { signal: AbortSignal.timeout(2_500) }).then(
  ({ ok }) => process.exit(ok ? 0 : 1),
  () => process.exit(1),
);
