{{/* usher.toml, from values to text. */}}

{{/* A value as TOML writes it. JSON's strings are strings of TOML too. Usher takes any value as a text, and a fraction
     only so. */}}
{{- define "usher.toml.value" -}}
{{- if kindIs "bool" . -}}
{{- . -}}
{{- else if kindIs "slice" . -}}
[{{ range $index, $value := . }}{{ if $index }}, {{ end }}{{ include "usher.toml.value" $value }}{{ end }}]
{{- else if kindIs "map" . -}}
{ {{- $first := true -}}
{{- range $name, $value := . }}{{ if not $first }},{{ end }} {{ toRawJson $name }} = {{ include "usher.toml.value" $value }}{{ $first = false }}{{ end }} }
{{- else if kindIs "string" . -}}
{{- toRawJson . -}}
{{- else if eq (float64 (int64 .)) (float64 .) -}}
{{- int64 . -}}
{{- else -}}
{{- toString . | toRawJson -}}
{{- end -}}
{{- end -}}

{{- define "usher.toml.settings" -}}
{{- range $name, $value := . }}
{{- if not (kindIs "invalid" $value) }}
{{ $name }} = {{ include "usher.toml.value" $value }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Where a secret's file is: its setting's own name, so that nobody has to think of one. */}}
{{- define "usher.secretPath" -}}
/run/secrets/usher/{{ . }}
{{- end -}}

{{/* The whole file. What the container's variables say is left out, or the log would tell of two sources. */}}
{{- define "usher.toml" -}}
{{- $sections := deepCopy .Values.config -}}
{{- $issuers := $sections.issuers | default list -}}
{{- $rules := dig "policy" "rules" list $sections -}}
{{- $sections = omit $sections "issuers" -}}
{{- if $sections.policy }}{{ $_ := set $sections "policy" (omit $sections.policy "rules") }}{{ end -}}
{{- if $sections.log }}{{ $_ := set $sections "log" (omit $sections.log "format") }}{{ end -}}
{{- $_ := set $sections.server "drain_after" (printf "%ds" (int64 .Values.shutdown.drainSeconds)) -}}
{{- range $section, $settings := .Values.secrets -}}
{{- range $name, $_ := $settings -}}
{{- $of := get $sections $section | default dict -}}
{{- if get $of $name }}{{ fail (printf "%s.%s stands in both config and secrets" $section $name) }}{{ end -}}
{{- $_ := set $of $name (include "usher.secretPath" (printf "%s.%s" $section $name)) -}}
{{- $_ := set $sections $section $of -}}
{{- end -}}
{{- end -}}
# Written by the Helm chart.
{{- range $section, $settings := $sections }}
{{- with include "usher.toml.settings" $settings | trim }}

[{{ $section }}]
{{ . }}
{{- end }}
{{- end }}
{{- range $issuers }}

[[issuers]]
{{ include "usher.toml.settings" . | trim }}
{{- end }}
{{- range $rules }}

[[policy.rules]]
{{ include "usher.toml.settings" . | trim }}
{{- end }}
{{ end -}}

{{/* What is wrong with the values as a whole; said once, where the file is written. */}}
{{- define "usher.check" -}}
{{- $_ := required "config.server.public_url has to be given: the URL that clients use, as https://mcp.example.com" .Values.config.server.public_url -}}
{{- if not (or .Values.config.issuer.url .Values.config.issuers) -}}
{{- fail "config.issuer.url has to be given: the authorization server, as https://acme.logto.app/oidc" -}}
{{- end -}}
{{- if and (or (gt (int .Values.replicas) 1) .Values.autoscaling.enabled) (not (or (include "usher.clustered" .) .Values.separateReplicas)) -}}
{{- fail "more than one pod needs config.cluster.url: without it each has sessions of its own, and a client that comes to another is told that its session is unknown. If your balancer sends each client always to the same pod, say separateReplicas: true" -}}
{{- end -}}
{{- if and (include "usher.clustered" .) (not (or (dig "cluster" "key_file" "" .Values.secrets) (dig "cluster" "key_file" "" .Values.config))) -}}
{{- fail "secrets.cluster.key_file has to be given with config.cluster.url: the key that all pods share, from openssl rand -hex 32" -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (lt (int .Values.autoscaling.maxReplicas) (int .Values.autoscaling.minReplicas)) -}}
{{- fail "autoscaling.maxReplicas is below minReplicas" -}}
{{- end -}}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) -}}
{{- fail "httpRoute.parentRefs has to name a Gateway" -}}
{{- end -}}
{{- end -}}
