{{- define "taskflow.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name }}{{ end -}}
{{- end }}

{{/* Labels that never change: selectors. Takes a dict of root and component. */}}
{{- define "taskflow.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "taskflow.labels" -}}
{{ include "taskflow.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- define "taskflow.secret" -}}
{{- if .Values.secret.existing }}{{ .Values.secret.existing }}{{ else }}{{ include "taskflow.name" . }}{{ end -}}
{{- end }}

{{/*
The pod of a process. Takes a dict of root; component; what of the values belongs to it (own); the settings that it always has (env); which keys of
the Secret it may read (secrets); and whether it goes on running (isLongRunning), or its arguments (args).
*/}}
{{- define "taskflow.pod" -}}
{{- $root := .root }}
{{- $values := .root.Values }}
metadata:
  labels:
    {{- include "taskflow.labels" . | nindent 4 }}
    {{- with $values.podLabels }}{{ toYaml . | nindent 4 }}{{ end }}
  {{- $annotations := $values.podAnnotations }}
  {{- if $values.secret.values }}
  {{- $annotations = merge (dict "taskflow/secret" (toJson $values.secret.values | sha256sum)) $annotations }}
  {{- end }}
  {{- with $annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- with $values.serviceAccountName }}
  serviceAccountName: {{ . }}
  {{- end }}
  {{- with $values.imagePullSecrets }}
  imagePullSecrets: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if not .isLongRunning }}
  restartPolicy: {{ .restartPolicy }}
  {{- end }}
  terminationGracePeriodSeconds: {{ .graceSeconds | default 30 }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 1000
    runAsGroup: 1000
    fsGroup: 1000
    seccompProfile: { type: RuntimeDefault }
  {{- with (.own.nodeSelector | default $values.nodeSelector) }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with (.own.tolerations | default $values.tolerations) }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.affinity }}
  affinity: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if .isLongRunning }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels: {{- include "taskflow.selector" . | nindent 10 }}
  {{- end }}
  containers:
    - name: {{ .process }}
      {{- $image := mergeOverwrite (deepCopy $values.image) (.own.image | default dict) }}
      image: "{{ $image.repository }}:{{ $image.tag | default $root.Chart.AppVersion }}"
      imagePullPolicy: {{ $image.pullPolicy }}
      {{- with .args }}
      args: {{- toYaml . | nindent 8 }}
      {{- end }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: { drop: [ALL] }
      env:
        {{- $env := mergeOverwrite (deepCopy $values.config) (.env | default dict) (.own.env | default dict) }}
        {{- if .isLongRunning }}
        {{- $env = mergeOverwrite $env (dict "METRICS_PORT" ($values.metrics.port | toString) "METRICS_HOST" "0.0.0.0") }}
        {{- end }}
        {{- range $name, $value := $env }}
        - name: {{ $name }}
          value: {{ $value | quote }}
        {{- end }}
        {{- /* Kubernetes refuses a name that comes twice: what stands under config is not looked for in the secret. */}}
        {{- range .secrets }}
        {{- if not (hasKey $env .) }}
        - name: {{ . }}
          valueFrom:
            secretKeyRef:
              name: {{ include "taskflow.secret" $root }}
              key: {{ . }}
              optional: {{ not (has . (list "SECRET_KEY" "DATABASE_URL")) }}
        {{- end }}
        {{- end }}
      {{- if .isLongRunning }}
      ports:
        {{- if eq .process "api" }}
        - { name: http, containerPort: 4000 }
        {{- end }}
        - { name: metrics, containerPort: {{ $values.metrics.port }} }
      # Whether it turns; not whether PostgreSQL and Redis answer: it waits for them, and a restart would not bring them back.
      livenessProbe:
        httpGet: { path: /healthz, port: metrics }
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      readinessProbe:
        httpGet: { path: /readyz, port: metrics }
        periodSeconds: 2
        timeoutSeconds: 3
        failureThreshold: 2
      startupProbe:
        httpGet: { path: /healthz, port: metrics }
        periodSeconds: 1
        failureThreshold: 60
      {{- end }}
      resources: {{- toYaml .own.resources | nindent 8 }}
      volumeMounts:
        - { name: tmp, mountPath: /tmp }
        {{- if .own.filesClaim }}
        - { name: files, mountPath: /files }
        {{- end }}
        {{- if $values.secret.certificates }}
        - { name: certificates, mountPath: /certificates, readOnly: true }
        {{- end }}
        {{- if and $values.secret.signing (eq .process "api") }}
        - { name: signing, mountPath: /signing, readOnly: true }
        {{- end }}
  volumes:
    - name: tmp
      emptyDir: { sizeLimit: 256Mi }
    {{- if .own.filesClaim }}
    - name: files
      persistentVolumeClaim: { claimName: {{ .own.filesClaim }} }
    {{- end }}
    {{- with $values.secret.certificates }}
    - name: certificates
      secret: { secretName: {{ . }}, defaultMode: 0440 }
    {{- end }}
    {{- if and $values.secret.signing (eq .process "api") }}
    - name: signing
      secret: { secretName: {{ $values.secret.signing }}, defaultMode: 0440 }
    {{- end }}
{{- end }}

{{/* Keys of the Secret by what a process needs: a worker gets no other than those of Redis. */}}
{{- define "taskflow.secrets.redis" -}}
{{- $names := list }}
{{- range $lane := list "HIGH" "LOW" }}
{{- range list "URL" "USERNAME" "PASSWORD" "SENTINEL_PASSWORD" }}{{ $names = append $names (printf "REDIS_%s_%s" . $lane) }}{{ end }}
{{- end }}
{{- join " " $names }}
{{- end }}
{{- define "taskflow.secrets.database" -}}
DATABASE_URL DATABASE_DIRECT_URL
{{- end }}
