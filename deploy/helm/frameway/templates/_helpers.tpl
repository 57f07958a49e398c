{{/* The prefix of all names. */}}
{{- define "frameway.fullname" -}}
{{- if contains "frameway" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-frameway" .Release.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "frameway.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* What selects the pods of a component. Call it with (list . "api"). */}}
{{- define "frameway.selector" -}}
app.kubernetes.io/name: frameway
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "frameway.labels" -}}
{{ include "frameway.selector" . }}
app.kubernetes.io/version: {{ (index . 0).Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ (index . 0).Release.Service }}
helm.sh/chart: {{ printf "%s-%s" (index . 0).Chart.Name (index . 0).Chart.Version | replace "+" "_" }}
{{- end }}

{{/* The Secret with the certificate of the server; empty without TLS. */}}
{{- define "frameway.tlsSecret" -}}
{{- if .Values.tls.secretName }}{{ .Values.tls.secretName }}{{ else if .Values.tls.certManager.enabled }}{{ include "frameway.fullname" . }}-tls{{ end }}
{{- end }}

{{/* "yes" if the API listens on an address that other pods can reach. */}}
{{- define "frameway.exposed" -}}
{{- if or .Values.insecure (and (include "frameway.tlsSecret" .) .Values.access.secretName) }}yes{{ end }}
{{- end }}

{{/* The name that the probes dial; it must be in the certificate. */}}
{{- define "frameway.serverName" -}}
{{ .Values.tls.serverName | default (printf "%s.%s.svc" (include "frameway.fullname" .) .Release.Namespace) }}
{{- end }}

{{/* Refuses values that contradict each other. */}}
{{- define "frameway.check" -}}
{{- if and .Values.tls.secretName .Values.tls.certManager.enabled }}{{ fail "tls.secretName and tls.certManager.enabled: set one of them" }}{{ end }}
{{- if and .Values.tls.certManager.enabled (not .Values.tls.certManager.issuerRef) }}{{ fail "tls.certManager.issuerRef: name the issuer of the certificate" }}{{ end }}
{{- if and (not (include "frameway.tlsSecret" .)) (or .Values.tls.clientCaSecretName .Values.tls.requireClientCertificate) }}{{ fail "tls.clientCaSecretName: client certificates need TLS: set tls.secretName or tls.certManager" }}{{ end }}
{{- if and .Values.tls.requireClientCertificate (not .Values.tls.clientCaSecretName) }}{{ fail "tls.requireClientCertificate needs tls.clientCaSecretName, the authority of the clients" }}{{ end }}
{{- if and .Values.tls.requireClientCertificate (not .Values.tls.probeSecretName) }}{{ fail "tls.requireClientCertificate needs tls.probeSecretName, the client certificate of the probes" }}{{ end }}
{{- if and (not .Values.redis.bundled.enabled) (not .Values.redis.urlSecretName) }}{{ fail "redis.urlSecretName: name the Secret with the URL of Redis, or set redis.bundled.enabled" }}{{ end }}
{{- if and .Values.redis.bundled.enabled .Values.redis.urlSecretName }}{{ fail "redis.urlSecretName and redis.bundled.enabled: set one of them" }}{{ end }}
{{- if and .Values.redis.caSecretName (not .Values.redis.urlSecretName) }}{{ fail "redis.caSecretName needs redis.urlSecretName: the bundled Redis has no TLS" }}{{ end }}
{{- end }}

{{/* What every container may do. */}}
{{- define "frameway.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: ["ALL"]
{{- end }}

{{/* Call it with the number of the user. */}}
{{- define "frameway.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/* The environment of servers and workers. */}}
{{- define "frameway.env" -}}
{{- if .Values.redis.bundled.enabled }}
- name: FRAMEWAY_REDIS_URL
  value: redis://{{ include "frameway.fullname" . }}-redis:6379
{{- if .Values.redis.bundled.passwordSecretName }}
- name: FRAMEWAY_REDIS_PASSWORD_FILE
  value: /etc/frameway/redis/password
{{- end }}
{{- else }}
- name: FRAMEWAY_REDIS_URL
  valueFrom:
    secretKeyRef:
      name: {{ .Values.redis.urlSecretName }}
      key: url
{{- if .Values.redis.caSecretName }}
- name: FRAMEWAY_REDIS_CA
  value: /etc/frameway/redis/ca.crt
{{- end }}
{{- end }}
{{- if .Values.config }}
- name: FRAMEWAY_CONFIG
  value: /etc/frameway/config/frameway.toml
{{- end }}
{{- if .Values.metrics.enabled }}
- name: FRAMEWAY_METRICS_LISTEN
  value: 0.0.0.0:{{ .Values.metrics.port }}
{{- end }}
{{- end }}

{{- define "frameway.mounts" -}}
- name: tmp
  mountPath: /tmp
{{- if .Values.config }}
- name: config
  mountPath: /etc/frameway/config
  readOnly: true
{{- end }}
{{- if include "frameway.redisSecret" . }}
- name: redis
  mountPath: /etc/frameway/redis
  readOnly: true
{{- end }}
{{- end }}

{{- define "frameway.volumes" -}}
- name: tmp
  emptyDir:
    medium: Memory
    sizeLimit: 64Mi
{{- if .Values.config }}
- name: config
  configMap:
    name: {{ include "frameway.fullname" . }}
{{- end }}
{{- with include "frameway.redisSecret" . }}
- name: redis
  secret:
    secretName: {{ . }}
    defaultMode: 0440
{{- end }}
{{- end }}

{{/* The Secret with the password or the authority of Redis, if there is one. */}}
{{- define "frameway.redisSecret" -}}
{{- if .Values.redis.bundled.enabled }}{{ .Values.redis.bundled.passwordSecretName }}{{ else }}{{ .Values.redis.caSecretName }}{{ end }}
{{- end }}

{{/* The check of a probe: it asks the health service of gRPC, also over TLS, which the probes of Kubernetes cannot. */}}
{{- define "frameway.probe" -}}
exec:
  command:
    - frameway
    - health
    - --timeout=3s
{{- if include "frameway.tlsSecret" . }}
    - --address=https://{{ include "frameway.serverName" . }}:7400
    - --ca=/etc/frameway/tls/ca.crt
{{- if .Values.tls.probeSecretName }}
    - --cert=/etc/frameway/probe/tls.crt
    - --key=/etc/frameway/probe/tls.key
{{- end }}
{{- else }}
    - --address=http://127.0.0.1:7400
{{- end }}
{{- end }}

{{/* Where pods run. Call it with the values of a component. */}}
{{- define "frameway.placement" -}}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .topologySpreadConstraints }}
topologySpreadConstraints:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
