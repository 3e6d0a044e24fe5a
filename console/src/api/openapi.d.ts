export interface paths {
    "/health": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["health"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/message/center/online": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["list"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/me": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["me"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/users/{userId}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["overview"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/users/{userId}/tokens:revoke": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["revoke"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/users/{userId}/unlock": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["user"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/force-offs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["list_force_offs"];
        put?: never;
        post: operations["give_force_off"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/force-offs/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["show_force_off"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/audit": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["audit"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        AuditEntry: {
            at: string;
            by: components["schemas"]["AuditGiver"];
            /** Format: int64 */
            connections?: number | null;
            id: string;
            operation: string;
            progress: string;
            records?: components["schemas"]["AuditRecords"] | null;
            remoteAddress?: string | null;
            selection: components["schemas"]["AuditSelection"];
            tenantId: string;
            /** Format: int64 */
            users?: number | null;
        };
        AuditGiver: {
            tokenSha256: string;
            userId: string;
        };
        AuditPage: {
            list: components["schemas"]["AuditEntry"][];
            next?: string | null;
        };
        AuditRecords: {
            /** Format: int64 */
            rejected: number;
            /** Format: int64 */
            taken: number;
        };
        AuditSelection: {
            connID?: string | null;
            ids?: string[] | null;
            /** Format: int64 */
            idsTotal?: number | null;
            /** Format: int32 */
            platformID?: number | null;
            reason?: string | null;
            receivers?: string | null;
            scope?: string | null;
            select?: string[] | null;
            sha256?: string[] | null;
            /** Format: int64 */
            sha256Total?: number | null;
            /** Format: int32 */
            shards?: number | null;
            userId?: string | null;
        };
        DenyWindow: {
            by: string;
            orderId: string;
            reason?: string | null;
            since: string;
            until: string;
        };
        Envelope_Empty: {
            code: string;
            data: Record<string, never>;
            datetime: string;
            ext: components["schemas"]["Extension"];
            msg: string;
        };
        Envelope_Page: {
            code: string;
            data: {
                list: components["schemas"]["Shown"][];
                total: string;
            };
            datetime: string;
            ext: components["schemas"]["Extension"];
            msg: string;
        };
        Extension: {
            eKey?: string | null;
        };
        ForceOffAnswer: components["schemas"]["ForceOffDryRun"] | components["schemas"]["ForceOffOrder"];
        ForceOffDryRun: {
            /** Format: int64 */
            connections: number;
            expiresAt: string;
            first?: components["schemas"]["Shown"][] | null;
            firstUsers: string[];
            receipt: string;
            tenantId: string;
            users: number;
        };
        ForceOffFilter: {
            key: string;
            op: string;
            value?: string;
        };
        ForceOffOrder: {
            at: string;
            by: string;
            /** Format: int64 */
            connections: number;
            denyUntil?: string | null;
            id: string;
            /** Format: int64 */
            reached: number;
            reason?: string | null;
            scope: string;
            state: string;
            tenantId: string;
            unreached?: string[] | null;
            /** Format: int64 */
            users: number;
        };
        ForceOffPage: {
            list: components["schemas"]["ForceOffOrder"][];
            next?: string | null;
        };
        ForceOffRequest: {
            /** Format: int32 */
            denySeconds?: number;
            dryRun?: boolean;
            reason?: string;
            receipt?: string;
            scope?: string;
            select: components["schemas"]["ForceOffSelect"];
            tenantId?: string;
        };
        ForceOffSelect: {
            connIds?: string[];
            deviceId?: string;
            deviceIds?: string[];
            filters?: components["schemas"]["ForceOffFilter"][];
            fullName?: string;
            offlineDate?: string;
            online?: boolean;
            onlineDate?: string;
            platforms?: number[];
            remoteAddress?: string;
            userId?: string;
            userIds?: string[];
        };
        GatewayConnection: {
            connID: string;
            isBackground: boolean;
            /** Format: int32 */
            platformID: number;
        };
        HealthBody: {
            status: string;
        };
        IssuedToken: {
            connections: number;
            expiresAt: string;
            issuedAt: string;
            /** Format: int32 */
            platformID: number;
            sha256: string;
            state: string;
        };
        LiveConnection: {
            connID: string;
            deviceId: string;
            isBackground?: boolean | null;
            onlineDate: string;
            /** Format: int32 */
            platformID?: number | null;
            protocol: string;
            recordId?: string | null;
            remoteAddress: string;
            tokenSha256?: string | null;
            userAgent: string;
        };
        Me: {
            anyTenant: boolean;
            name: string;
            now: string;
            rights: components["schemas"]["Rights"];
            tenantId: string;
            timeZone: string;
            token?: components["schemas"]["OwnToken"] | null;
            userId: string;
            version: string;
        };
        OwnToken: {
            expiresAt: string;
            sha256: string;
        };
        RevokedTokens: {
            /** Format: int32 */
            connections: number;
            /** Format: int32 */
            revoked: number;
            unknown: string[];
        };
        Rights: {
            administer: boolean;
            off: boolean;
            read: boolean;
        };
        Shown: {
            avatar?: string | null;
            deviceId: string;
            fullName: string;
            id: string;
            offlineDate?: string | null;
            online: boolean;
            onlineDate: string;
            remoteAddress: string;
            userAgent: string;
            userId: string;
        };
        TokensToRevoke: {
            sha256: string[];
        };
        Unlocked: {
            unlocked: boolean;
        };
        UserOverview: {
            connections: components["schemas"]["GatewayConnection"][];
            consoles: string[];
            deny?: components["schemas"]["DenyWindow"] | null;
            live?: components["schemas"]["LiveConnection"][] | null;
            online: boolean;
            recordTenants: string[];
            records?: components["schemas"]["Shown"][] | null;
            tenantId: string;
            tokens?: components["schemas"]["IssuedToken"][] | null;
            /** Format: int64 */
            tokensTotal?: number | null;
            userId: string;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    health: {
        parameters: {
            query?: {
                deep?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["HealthBody"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["HealthBody"];
                };
            };
        };
    };
    list: {
        parameters: {
            query?: {
                pageNo?: number;
                pageSize?: number;
                orderBy?: string;
                orderSort?: string;
                infoScope?: string;
                userId?: number;
                fullName?: string;
                deviceId?: string;
                remoteAddress?: string;
                online?: boolean;
                onlineDate?: string;
                offlineDate?: string;
                "filters[0].key"?: string;
                "filters[0].op"?: string;
                "filters[0].value"?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Page"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
        };
    };
    me: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Me"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
        };
    };
    overview: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                userId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UserOverview"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
        };
    };
    revoke: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                userId: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["TokensToRevoke"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RevokedTokens"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
        };
    };
    user: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                userId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Unlocked"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
        };
    };
    list_force_offs: {
        parameters: {
            query?: {
                before?: string;
                limit?: number;
                tenantId?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ForceOffPage"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
        };
    };
    give_force_off: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ForceOffRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ForceOffAnswer"];
                };
            };
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ForceOffOrder"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
        };
    };
    show_force_off: {
        parameters: {
            query?: {
                tenantId?: number;
            };
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ForceOffOrder"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
        };
    };
    audit: {
        parameters: {
            query?: {
                from?: string;
                to?: string;
                by?: string;
                operation?: string;
                userId?: string;
                before?: string;
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AuditPage"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Envelope_Empty"];
                };
            };
        };
    };
}
