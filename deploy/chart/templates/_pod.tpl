{{/* What the worker's container and `helm test`'s have in common. */}}
{{- define "stream.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "stream.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* The settings, as environment variables; secrets only by the names of their files. */}}
{{- define "stream.env" -}}
{{- $kafka := include "stream.kafka" . | fromYaml -}}
- {name: STREAM_BROKER, value: {{ $kafka.bootstrap | quote }}}
- {name: STREAM_APP_ID, value: {{ .Values.appId | quote }}}
- {name: STREAM_RULES, value: {{ include "stream.rulesPath" . | quote }}}
- {name: STREAM_STORE, value: {{ .Values.store.type | quote }}}
- {name: STREAM_DATA_DIR, value: /var/lib/stream}
{{- if eq .Values.store.type "rocksdb" }}
{{- $limit := include "stream.bytes" (dig "limits" "memory" "0" .Values.resources) | int64 }}
- {name: STREAM_STORE_MEMORY, value: {{ div (mul $limit (int64 .Values.store.memoryPercent)) 100 | quote }}}
- {name: STREAM_STORE_CUSTOMERS, value: {{ int64 .Values.store.customersInMemory | quote }}}
{{- end }}
- {name: STREAM_STANDBY_REPLICAS, value: {{ int64 .Values.standbyReplicas | quote }}}
- {name: STREAM_HTTP_PORT, value: "9464"}
- {name: STREAM_SECURITY_PROTOCOL, value: {{ include "stream.protocol" $kafka }}}
{{- if not (has $kafka.auth.type (list "none" "tls")) }}
- {name: STREAM_SASL_MECHANISM, value: {{ upper $kafka.auth.type }}}
- {name: STREAM_SASL_USERNAME, value: {{ $kafka.auth.username | quote }}}
- {name: STREAM_SASL_PASSWORD_FILE, value: /etc/stream/auth/{{ $kafka.auth.passwordKey }}}
{{- end }}
{{- if $kafka.tls.enabled }}
{{- if $kafka.tls.caSecret }}
- {name: STREAM_SSL_CAFILE, value: /etc/stream/ca/{{ $kafka.tls.caKey }}}
{{- end }}
{{- if eq $kafka.auth.type "tls" }}
- {name: STREAM_SSL_CERTFILE, value: /etc/stream/auth/{{ $kafka.auth.certKey }}}
- {name: STREAM_SSL_KEYFILE, value: /etc/stream/auth/{{ $kafka.auth.keyKey }}}
{{- end }}
{{- end }}
{{- with .Values.tracing }}
{{- if .share }}
- {name: STREAM_TRACE_SHARE, value: {{ toString .share | quote }}}
- {name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ .endpoint | quote }}}
{{- end }}
{{- end }}
{{- range $name, $value := .Values.settings }}
- {name: {{ $name }}, value: {{ toString $value | quote }}}
{{- end }}
{{- end }}

{{/* No mount has a subPath: Kubernetes would never update it, and rules are reloaded from here. */}}
{{- define "stream.mounts" -}}
{{- $kafka := include "stream.kafka" . | fromYaml -}}
- {name: rules, mountPath: /rules, readOnly: true}
- {name: tmp, mountPath: /tmp}
- {name: data, mountPath: /var/lib/stream}
{{- if ne $kafka.auth.type "none" }}
- {name: auth, mountPath: /etc/stream/auth, readOnly: true}
{{- end }}
{{- if and $kafka.tls.enabled $kafka.tls.caSecret }}
- {name: ca, mountPath: /etc/stream/ca, readOnly: true}
{{- end }}
{{- end }}

{{- define "stream.volumes" -}}
{{- $kafka := include "stream.kafka" . | fromYaml -}}
- name: rules
{{- if eq .Values.rules.source "git" }}
  emptyDir: {sizeLimit: 256Mi}
{{- else }}
  configMap: {name: {{ include "stream.rulesConfigMap" . }}}
{{- end }}
- name: tmp
  emptyDir: {medium: Memory, sizeLimit: 64Mi}
{{- if ne $kafka.auth.type "none" }}
- name: auth
  secret:
    secretName: {{ $kafka.auth.secret }}
    defaultMode: 0440
    items:
    {{- if eq $kafka.auth.type "tls" }}
      - {key: {{ $kafka.auth.certKey }}, path: {{ $kafka.auth.certKey }}}
      - {key: {{ $kafka.auth.keyKey }}, path: {{ $kafka.auth.keyKey }}}
    {{- else }}
      - {key: {{ $kafka.auth.passwordKey }}, path: {{ $kafka.auth.passwordKey }}}
    {{- end }}
{{- end }}
{{- if and $kafka.tls.enabled $kafka.tls.caSecret }}
- name: ca
  secret:
    secretName: {{ $kafka.tls.caSecret }}
    defaultMode: 0440
    items: [{key: {{ $kafka.tls.caKey }}, path: {{ $kafka.tls.caKey }}}]
{{- end }}
{{- if eq .Values.rules.source "git" }}
{{- with .Values.rules.git.secret }}
- name: git
  secret: {secretName: {{ . }}, defaultMode: 0440}
{{- end }}
{{- end }}
{{- end }}

{{/* git-sync, started before the worker and kept beside it (restartPolicy: Always): the worker begins when the
     first checkout is there. `watch` false: checked out once, for `helm test`. */}}
{{- define "stream.gitSync" -}}
{{- $git := .root.Values.rules.git -}}
- name: git-sync
  image: {{ include "stream.image" (dict "image" $git.image "tag" $git.image.tag) }}
  args:
    - --repo={{ $git.repository }}
    - --ref={{ $git.ref }}
    - --root=/rules
    - --link=current
    - --depth=1
{{- if .watch }}
    - --period={{ $git.period }}
    - --max-failures=-1
    - --http-bind=:9465
{{- else }}
    - --one-time
{{- end }}
{{- if $git.secret }}
{{- if hasPrefix "http" $git.repository }}
    - --username={{ $git.username }}
    - --password-file=/etc/git-secret/password
{{- else }}
    - --ssh-key-file=/etc/git-secret/ssh-privatekey
    - --ssh-known-hosts-file=/etc/git-secret/known_hosts
{{- end }}
{{- end }}
  env:
    - {name: HOME, value: /tmp}
{{- if .watch }}
  restartPolicy: Always
  startupProbe:
    httpGet: {path: /, port: 9465}
    periodSeconds: 2
    failureThreshold: 60
{{- end }}
  securityContext:
    runAsUser: 65533    # the image's own: ssh wants a user with a name
    runAsGroup: 65533
    {{- include "stream.containerSecurity" .root | nindent 4 }}
  resources:
    {{- toYaml $git.resources | nindent 4 }}
  volumeMounts:
    - {name: rules, mountPath: /rules}
    - {name: tmp, mountPath: /tmp}
{{- if $git.secret }}
    - {name: git, mountPath: /etc/git-secret, readOnly: true}
{{- end }}
{{- end }}
